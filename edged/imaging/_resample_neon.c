/* The way of 64-bit Arm, on every core from the Cortex-A53 on.
 *
 * Eight rows of sums are turned, so that the sums of a column lie together: then a tap of the
 * columns, as one of the rows, is a weight for a whole vector. The dot products of later cores
 * would save nothing: they want bytes in the order of the taps, which costs as much. */

#ifdef __aarch64__

#include "_resample.h"

#include <arm_neon.h>

/* Weights are cut in two: products of bytes take half as many instructions. */
INLINE void
add_rows_of(uint16_t *restrict sums, const uint8_t *const *rows, const int16_t *weights,
            const int count, const ptrdiff_t length, const int first)
{
    enum { LOW_BITS = ROW_BITS - SUM_BITS };
    const uint8_t *row[CHUNK];
    uint8x8_t highs[CHUNK], lows[CHUNK];
    for (int k = 0; k < count; k++) {
        highs[k] = vdup_n_u8((uint8_t)(weights[k] >> LOW_BITS));
        lows[k] = vdup_n_u8((uint8_t)(weights[k] & ((1 << LOW_BITS) - 1)));
        row[k] = rows[k];
    }
    for (ptrdiff_t i = 0; i < length; i += SPAN) {
        uint16x8_t high[4], low[4];
        for (int k = 0; k < count; k++) {
            const uint8x8x4_t bytes = vld1_u8_x4(row[k]);
            row[k] += SPAN;
            for (int j = 0; j < 4; j++) {
                high[j] = k == 0 ? vmull_u8(bytes.val[j], highs[k])
                                 : vmlal_u8(high[j], bytes.val[j], highs[k]);
                low[j] = k == 0 ? vmull_u8(bytes.val[j], lows[k])
                                : vmlal_u8(low[j], bytes.val[j], lows[k]);
            }
        }
        for (int j = 0; j < 4; j++) {
            uint16_t *const place = sums + i + 8 * j;
            high[j] = vsraq_n_u16(high[j], low[j], LOW_BITS);
            vst1q_u16(place, first ? high[j] : vaddq_u16(high[j], vld1q_u16(place)));
        }
    }
}

static void
add_rows_neon(uint16_t *sums, const uint8_t *const *rows, const int16_t *weights, const int count,
              const ptrdiff_t length, const int first)
{
    ADD_ROWS
}

/* The sums of eight rows, column by column. */
INLINE void
turn(uint16_t *restrict turned, const uint16_t *restrict sums, const ptrdiff_t stride,
     const ptrdiff_t length)
{
    for (ptrdiff_t i = 0; i < length; i += 8, turned += 64) {
        uint32x4x4_t left, right;
        for (int j = 0; j < 4; j++) {
            const uint16x8_t even = vld1q_u16(sums + 2 * j * stride + i);
            const uint16x8_t odd = vld1q_u16(sums + (2 * j + 1) * stride + i);
            left.val[j] = vreinterpretq_u32_u16(vzip1q_u16(even, odd));
            right.val[j] = vreinterpretq_u32_u16(vzip2q_u16(even, odd));
        }
        vst4q_u32((uint32_t *)turned, left);
        vst4q_u32((uint32_t *)(turned + 32), right);
    }
}

/* And back, `length` bytes of each row; up to 15 more are written. */
INLINE void
turn_back(uint8_t *restrict lines, const uint8_t *restrict turned, const ptrdiff_t stride,
          const ptrdiff_t length)
{
    for (ptrdiff_t i = 0; i < length; i += 16, turned += 128) {
        const uint8x16x4_t left = vld4q_u8(turned), right = vld4q_u8(turned + 64);
        for (int j = 0; j < 4; j++) {
            vst1q_u8(lines + j * stride + i, vuzp1q_u8(left.val[j], right.val[j]));
            vst1q_u8(lines + (j + 4) * stride + i, vuzp2q_u8(left.val[j], right.val[j]));
        }
    }
}

/* A tap is a pixel of eight rows, `step` vectors long. */
INLINE void
add_tap(uint32x4_t *sums, const uint16_t *tap, const uint16x4_t weights, const int lane)
{
    const uint16x8x3_t values = vld1q_u16_x3(tap);
    for (int c = 0; c < 3; c++) {
        const uint16x8_t value = values.val[c];
        sums[2 * c] = lane == 0 ? vmlal_lane_u16(sums[2 * c], vget_low_u16(value), weights, 0)
                                : vmlal_lane_u16(sums[2 * c], vget_low_u16(value), weights, 1);
        sums[2 * c + 1] = lane == 0 ? vmlal_high_lane_u16(sums[2 * c + 1], value, weights, 0)
                                    : vmlal_high_lane_u16(sums[2 * c + 1], value, weights, 1);
    }
}

/* `step` and mostly `pair_count` are constants where this inlines. */
INLINE void
add_taps(uint8_t *restrict levels, const uint16_t *restrict turned, const Resampling *r,
         const ptrdiff_t step, const ptrdiff_t pair_count)
{
    enum { LEFT_BITS = COLUMN_BITS + SUM_BITS - 16 };
    const ptrdiff_t *restrict offsets = r->offsets;
    const uint32_t *restrict pairs = (const uint32_t *)r->pairs;
    for (const uint8_t *const end = levels + 3 * BLOCK * r->columns.count; levels < end;) {
        const uint16_t *tap = turned + BLOCK * *offsets++;
        uint32x4_t sums[6] = {{0}};
        for (ptrdiff_t k = 0; k < pair_count; k++, tap += 2 * BLOCK * step) {
            const uint16x4_t weights = vreinterpret_u16_u32(vld1_dup_u32(pairs++));
            add_tap(sums, tap, weights, 0);
            add_tap(sums, tap + BLOCK * step, weights, 1);
        }
        for (int c = 0; c < 3; c++, levels += BLOCK) {
            const uint16x8_t highs = vuzp2q_u16(vreinterpretq_u16_u32(sums[2 * c]),
                                                vreinterpretq_u16_u32(sums[2 * c + 1]));
            vst1_u8(levels, vrshrn_n_u16(highs, LEFT_BITS));
        }
    }
}

static void
columns_neon(const Resampling *r)
{
    uint16_t *const turned = (uint16_t *)r->scratch;
    uint8_t *const levels = r->scratch + BLOCK * r->sums_stride * (ptrdiff_t)sizeof *turned;
    turn(turned, r->sums, r->sums_stride, r->row_sums);
    switch (r->step == 3 ? r->pair_count : 0) {
        case 1: add_taps(levels, turned, r, 3, 1); break;
        case 2: add_taps(levels, turned, r, 3, 2); break;
        case 3: add_taps(levels, turned, r, 3, 3); break;
        case 4: add_taps(levels, turned, r, 3, 4); break;
        case 5: add_taps(levels, turned, r, 3, 5); break;
        default: add_taps(levels, turned, r, r->step, r->pair_count);
    }
    turn_back(r->lines, levels, r->line_stride, 3 * r->columns.count);
}

INLINE int16x8_t
chroma_of(const uint16x8_t sums)
{
    return vreinterpretq_s16_u16(veorq_u16(vshlq_n_u16(sums, 1), vdupq_n_u16(1 << 15)));
}

INLINE uint16x8_t
mixed(const int16x8_t luma, const int16x8_t chroma)
{
    return vminq_u16(vqshluq_n_s16(vqaddq_s16(luma, chroma), 1), vdupq_n_u16(2 * MOST));
}

/* `y_step` and `chroma_step` are constants where this inlines. Y of even pixels and of odd ones is
 * apart, so that U and V serve both as they are. */
INLINE void
mix_of(const Resampling *r, uint16_t *restrict sums, const ptrdiff_t y_step,
       const ptrdiff_t chroma_step)
{
    const uint16_t *restrict y = r->yuv_sums;
    const uint16_t *restrict u = y + r->yuv.u_at, *restrict v = y + r->yuv.v_at;
    const int16x8_t black = vdupq_n_s16(BLACK);
    for (ptrdiff_t pair = 0; pair < r->yuv.pairs; pair += PAIRS, sums += 6 * PAIRS) {
        uint16x8_t luma[2], cb, cr;
        if (y_step == 2) {
            const uint16x8x4_t all = vld4q_u16(y);
            luma[0] = all.val[0], cb = all.val[1], luma[1] = all.val[2], cr = all.val[3];
        } else {
            const uint16x8x2_t both = vld2q_u16(y);
            luma[0] = both.val[0], luma[1] = both.val[1];
            if (chroma_step == 2) {
                const uint16x8x2_t pairs = vld2q_u16(u);
                cb = pairs.val[0], cr = pairs.val[1];
            } else {
                cb = vld1q_u16(u), cr = vld1q_u16(v);
            }
        }
        y += 2 * PAIRS * y_step, u += PAIRS * chroma_step, v += PAIRS * chroma_step;
        const int16x8_t us = chroma_of(cb), vs = chroma_of(cr);
        const int16x8_t green =
            vaddq_s16(vqrdmulhq_n_s16(us, U_GREEN), vqrdmulhq_n_s16(vs, V_GREEN));
        const int16x8_t chroma[3] = {vsubq_s16(vqrdmulhq_n_s16(vs, V_RED), black),
                                     vsubq_s16(green, black),
                                     vsubq_s16(vqrdmulhq_n_s16(us, U_BLUE), black)};
        const int16x8_t even = vqrdmulhq_n_s16(vreinterpretq_s16_u16(luma[0]), Y_ALL);
        const int16x8_t odd = vqrdmulhq_n_s16(vreinterpretq_s16_u16(luma[1]), Y_ALL);
        uint16x8x3_t left, right;
        for (int c = 0; c < 3; c++) {
            const uint16x8_t first = mixed(even, chroma[c]), second = mixed(odd, chroma[c]);
            left.val[c] = vzip1q_u16(first, second);
            right.val[c] = vzip2q_u16(first, second);
        }
        vst3q_u16(sums, left);
        vst3q_u16(sums + 3 * PAIRS, right);
    }
}

static void
mix_neon(const Resampling *r, uint16_t *sums)
{
    if (r->yuv.y_step == 2) {
        mix_of(r, sums, 2, 4);
    } else if (r->yuv.chroma_step == 2) {
        mix_of(r, sums, 1, 2);
    } else {
        mix_of(r, sums, 1, 1);
    }
}

const Way way_neon = {"neon", BLOCK, add_rows_neon, columns_neon, mix_neon};

#endif
