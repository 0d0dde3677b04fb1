/* The way of 64-bit Arm, on every core from the Cortex-A53 on.
 *
 * Eight rows of sums are turned, so that the sums of a column lie together: then a tap of the
 * columns, as one of the rows, is a weight for a whole vector. The dot products of later cores would
 * save nothing: they want bytes in the order of the taps, and to bring them there costs as much. */

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
    uint8x16_t highs[CHUNK], lows[CHUNK];
    for (int k = 0; k < count; k++) {
        /* One alone weighs 2^12, and then there are no others: the low sums have room. */
        const int high = weights[k] >> LOW_BITS < 255 ? weights[k] >> LOW_BITS : 255;
        highs[k] = vdupq_n_u8((uint8_t)high);
        lows[k] = vdupq_n_u8((uint8_t)(weights[k] - (high << LOW_BITS)));
        row[k] = rows[k];
    }
    for (ptrdiff_t i = 0; i < length; i += SPAN) {
        uint16x8_t high[4], low[4];
        for (int k = 0; k < count; k++) {
            const uint8x16x2_t bytes = vld1q_u8_x2(row[k]);
            row[k] += SPAN;
            for (int half = 0; half < 2; half++) {
                const uint8x16_t value = bytes.val[half];
                uint16x8_t *const h = high + 2 * half, *const l = low + 2 * half;
                if (k == 0) {
                    h[0] = vmull_u8(vget_low_u8(value), vget_low_u8(highs[k]));
                    h[1] = vmull_high_u8(value, highs[k]);
                    l[0] = vmull_u8(vget_low_u8(value), vget_low_u8(lows[k]));
                    l[1] = vmull_high_u8(value, lows[k]);
                } else {
                    h[0] = vmlal_u8(h[0], vget_low_u8(value), vget_low_u8(highs[k]));
                    h[1] = vmlal_high_u8(h[1], value, highs[k]);
                    l[0] = vmlal_u8(l[0], vget_low_u8(value), vget_low_u8(lows[k]));
                    l[1] = vmlal_high_u8(l[1], value, lows[k]);
                }
            }
        }
        uint16x8x4_t sum;
        for (int j = 0; j < 4; j++) {
            sum.val[j] = vsraq_n_u16(high[j], low[j], LOW_BITS);
        }
        if (!first) {
            const uint16x8x4_t before = vld1q_u16_x4(sums + i);
            for (int j = 0; j < 4; j++) {
                sum.val[j] = vaddq_u16(sum.val[j], before.val[j]);
            }
        }
        vst1q_u16_x4(sums + i, sum);
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

INLINE void
add_tap(uint32x4_t *sums, const uint16_t *turned, const uint16x4_t weight)
{
    const uint16x8x3_t values = vld1q_u16_x3(turned);
    for (int c = 0; c < 3; c++) {
        sums[2 * c] = vmlal_u16(sums[2 * c], vget_low_u16(values.val[c]), weight);
        sums[2 * c + 1] =
            vmlal_high_u16(sums[2 * c + 1], values.val[c], vcombine_u16(weight, weight));
    }
}

static void
columns_neon(const Resampling *r)
{
    enum { LEFT_BITS = COLUMN_BITS + SUM_BITS - 16 };
    uint16_t *const turned = (uint16_t *)r->scratch;
    uint8_t *const levels = r->scratch + BLOCK * r->sums_stride * (ptrdiff_t)sizeof *turned;
    turn(turned, r->sums, r->sums_stride, r->row_bytes);
    const ptrdiff_t step = BLOCK * r->step;
    const uint16_t *weights = (const uint16_t *)r->pairs;
    uint8_t *level = levels;
    for (ptrdiff_t x = 0; x < r->columns.count; x++, level += 3 * BLOCK) {
        const uint16_t *tap = turned + BLOCK * r->offsets[x];
        uint32x4_t sums[6] = {{0}};
        for (ptrdiff_t k = r->pair_count; k > 0; k--, weights += 2, tap += 2 * step) {
            const uint16x4x2_t pair = vld2_dup_u16(weights);
            add_tap(sums, tap, pair.val[0]);
            add_tap(sums, tap + step, pair.val[1]);
        }
        uint8x8x3_t pixel;
        for (int c = 0; c < 3; c++) {
            const uint16x8_t highs = vuzp2q_u16(vreinterpretq_u16_u32(sums[2 * c]),
                                                vreinterpretq_u16_u32(sums[2 * c + 1]));
            pixel.val[c] = vrshrn_n_u16(highs, LEFT_BITS);
        }
        vst1_u8_x3(level, pixel);
    }
    turn_back(r->lines, levels, r->line_stride, 3 * r->columns.count);
}

const Way way_neon = {"neon", BLOCK, add_rows_neon, columns_neon};

#endif
