/* The way of x86-64 with AVX2. Two rows of sums at a time, one in each half of a vector. */

#ifdef __x86_64__

#include "_resample.h"

#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))

/* Weights are cut in two: so two products of bytes, and their sum, take one instruction. */
AVX2 INLINE void
add_rows_of(uint16_t *restrict sums, const uint8_t *const *rows, const int16_t *weights,
            const int count, const ptrdiff_t length, const int first)
{
    enum { LOW_BITS = ROW_BITS - SUM_BITS };
    __m256i highs[CHUNK / 2], lows[CHUNK / 2];
    for (int k = 0; k < count; k += 2) {
        int high[2] = {0}, low[2] = {0};
        for (int j = 0; j < 2 && k + j < count; j++) {
            /* Signed bytes; where one row weighs all, the low part has room for the rest. */
            const int weight = weights[k + j];
            high[j] = weight >> LOW_BITS < 127 ? weight >> LOW_BITS : 127;
            low[j] = weight - (high[j] << LOW_BITS);
        }
        highs[k / 2] = _mm256_set1_epi16((short)(high[0] | high[1] << 8));
        lows[k / 2] = _mm256_set1_epi16((short)(low[0] | low[1] << 8));
    }
    for (ptrdiff_t i = 0; i < length; i += SPAN) {
        __m256i high[2], low[2];
        for (int k = 0; k < count; k += 2) {
            const int next = k + 1 < count ? k + 1 : k;
            const __m256i even = _mm256_loadu_si256((const __m256i *)(rows[k] + i));
            const __m256i odd = _mm256_loadu_si256((const __m256i *)(rows[next] + i));
            const __m256i mixed[2] = {_mm256_unpacklo_epi8(even, odd),
                                      _mm256_unpackhi_epi8(even, odd)};
            for (int half = 0; half < 2; half++) {
                const __m256i h = _mm256_maddubs_epi16(mixed[half], highs[k / 2]);
                const __m256i l = _mm256_maddubs_epi16(mixed[half], lows[k / 2]);
                high[half] = k == 0 ? h : _mm256_add_epi16(high[half], h);
                low[half] = k == 0 ? l : _mm256_add_epi16(low[half], l);
            }
        }
        const __m256i left = _mm256_add_epi16(high[0], _mm256_srli_epi16(low[0], LOW_BITS));
        const __m256i right = _mm256_add_epi16(high[1], _mm256_srli_epi16(low[1], LOW_BITS));
        const __m256i straight[2] = {_mm256_permute2x128_si256(left, right, 0x20),
                                     _mm256_permute2x128_si256(left, right, 0x31)};
        for (int half = 0; half < 2; half++) {
            __m256i *const place = (__m256i *)(sums + i) + half;
            _mm256_storeu_si256(
                place, first ? straight[half]
                             : _mm256_add_epi16(straight[half], _mm256_loadu_si256(place)));
        }
    }
}

AVX2 static void
add_rows_avx2(uint16_t *sums, const uint8_t *const *rows, const int16_t *weights, const int count,
              const ptrdiff_t length, const int first)
{
    ADD_ROWS
}

/* `step` is a constant where this inlines. The sums of one pixel, and a fourth that is zero, of two
 * rows. */
AVX2 INLINE __m256i
pixel_sums(const uint16_t *sums, const ptrdiff_t stride, const int16_t *weights,
           const ptrdiff_t pair_count, const int step)
{
    enum { BITS = COLUMN_BITS + SUM_BITS };
    const __m256i by_channel = _mm256_broadcastsi128_si256(
        step == 3 ? _mm_setr_epi8(0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11, -1, -1, -1, -1)
                  : _mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, -1, -1, -1, -1));
    __m256i sum = _mm256_set1_epi32(1 << (BITS - 1));
    for (ptrdiff_t k = 0; k < pair_count; k++, sums += 2 * step, weights += 2) {
        int pair;
        memcpy(&pair, weights, sizeof pair);
        const __m256i values = _mm256_inserti128_si256(
            _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)sums)),
            _mm_loadu_si128((const __m128i *)(sums + stride)), 1);
        const __m256i products =
            _mm256_madd_epi16(_mm256_shuffle_epi8(values, by_channel), _mm256_set1_epi32(pair));
        sum = _mm256_add_epi32(sum, products);
    }
    return _mm256_srli_epi32(sum, BITS);
}

/* Four pixels at a time; the offsets and weights of the last are repeated for those that lack. */
AVX2 INLINE void
columns_of(const Resampling *r, const int step)
{
    const __m256i close = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
    const ptrdiff_t last = r->columns.count - 1;
    uint8_t *line = r->lines;
    for (ptrdiff_t x = 0; x <= last; x += 4, line += 12) {
        __m256i four[4];
        for (ptrdiff_t j = 0; j < 4; j++) {
            const ptrdiff_t at = x + j < last ? x + j : last;
            four[j] = pixel_sums(r->sums + r->offsets[at], r->sums_stride,
                                 r->pairs + 2 * r->pair_count * at, r->pair_count, step);
        }
        const __m256i bytes = _mm256_packus_epi16(_mm256_packus_epi32(four[0], four[1]),
                                                  _mm256_packus_epi32(four[2], four[3]));
        const __m256i pixels = _mm256_shuffle_epi8(bytes, close);
        _mm_storeu_si128((__m128i *)line, _mm256_castsi256_si128(pixels));
        _mm_storeu_si128((__m128i *)(line + r->line_stride), _mm256_extracti128_si256(pixels, 1));
    }
}

AVX2 static void
columns_avx2(const Resampling *r)
{
    if (r->step == 3) {
        columns_of(r, 3);
    } else {
        columns_of(r, 4);
    }
}

AVX2 INLINE __m256i
load(const uint16_t *sums)
{
    return _mm256_loadu_si256((const __m256i *)sums);
}

/* The 16-bit halves of two times eight 32-bit numbers, which must not have others. */
AVX2 INLINE __m256i
narrow(const __m256i first, const __m256i second)
{
    return _mm256_permute4x64_epi64(_mm256_packus_epi32(first, second), 0xd8);
}

/* Each of eight numbers in the low half twice. */
AVX2 INLINE __m256i
twice(const uint16_t *sums)
{
    const __m256i eight = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)sums));
    const __m256i spread = _mm256_permute4x64_epi64(eight, 0x50);
    return _mm256_unpacklo_epi16(spread, spread);
}

AVX2 INLINE __m256i
times(const __m256i values, const int factor)
{
    return _mm256_mulhrs_epi16(values, _mm256_set1_epi16((short)factor));
}

AVX2 INLINE __m256i
mixed(const __m256i luma, const __m256i chroma)
{
    const __m256i shifted = _mm256_sub_epi16(chroma, _mm256_set1_epi16(BLACK));
    const __m256i level = _mm256_adds_epi16(luma, shifted);
    const __m256i least = _mm256_max_epi16(level, _mm256_setzero_si256());
    return _mm256_slli_epi16(_mm256_min_epi16(least, _mm256_set1_epi16(MOST)), 1);
}

/* Eight pixels in each half of the vectors, which lie behind each other then. */
AVX2 INLINE void
interleave(uint16_t *sums, const __m256i red, const __m256i green, const __m256i blue)
{
#define AT(i) 2 * (i), 2 * (i) + 1
#define ORDER(a, b, c, d, e, f, g, h)                                         \
    _mm256_broadcastsi128_si256(                                              \
        _mm_setr_epi8(AT(a), AT(b), AT(c), AT(d), AT(e), AT(f), AT(g), AT(h)))
    /* Each number to the place, of eight, that it has in one of the three. */
    const __m256i r = _mm256_shuffle_epi8(red, ORDER(0, 3, 6, 1, 4, 7, 2, 5));
    const __m256i g = _mm256_shuffle_epi8(green, ORDER(5, 0, 3, 6, 1, 4, 7, 2));
    const __m256i b = _mm256_shuffle_epi8(blue, ORDER(2, 5, 0, 3, 6, 1, 4, 7));
    const __m256i three[3] = {_mm256_blend_epi16(_mm256_blend_epi16(r, g, 0x92), b, 0x24),
                              _mm256_blend_epi16(_mm256_blend_epi16(r, g, 0x24), b, 0x49),
                              _mm256_blend_epi16(_mm256_blend_epi16(r, g, 0x49), b, 0x92)};
    for (int i = 0; i < 3; i++) {
        _mm_storeu_si128((__m128i *)(sums + 8 * i), _mm256_castsi256_si128(three[i]));
        _mm_storeu_si128((__m128i *)(sums + 24 + 8 * i), _mm256_extracti128_si256(three[i], 1));
    }
}

/* `y_step` and `chroma_step` are constants where this inlines. */
AVX2 INLINE void
mix_of(const Resampling *r, uint16_t *restrict sums, const ptrdiff_t y_step,
       const ptrdiff_t chroma_step)
{
    const uint16_t *restrict y = r->yuv_sums;
    const uint16_t *restrict u = y + r->yuv.u_at, *restrict v = y + r->yuv.v_at;
    const __m256i twice_u = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 1, 0, 1, 4, 5, 4, 5, 8, 9, 8, 9, 12, 13, 12, 13));
    const __m256i twice_v = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(2, 3, 2, 3, 6, 7, 6, 7, 10, 11, 10, 11, 14, 15, 14, 15));
    for (ptrdiff_t pair = 0; pair < r->yuv.pairs; pair += PAIRS, sums += 6 * PAIRS) {
        __m256i luma, cb, cr;
        if (y_step == 2) {
            const __m256i first = load(y), second = load(y + 16);
            const __m256i lows = _mm256_set1_epi32(0xffff);
            luma = narrow(_mm256_and_si256(first, lows), _mm256_and_si256(second, lows));
            cb = cr = narrow(_mm256_srli_epi32(first, 16), _mm256_srli_epi32(second, 16));
        } else {
            luma = load(y);
            cb = cr = chroma_step == 2 ? load(u) : luma;
        }
        cb = chroma_step == 1 ? twice(u) : _mm256_shuffle_epi8(cb, twice_u);
        cr = chroma_step == 1 ? twice(v) : _mm256_shuffle_epi8(cr, twice_v);
        y += 2 * PAIRS * y_step, u += PAIRS * chroma_step, v += PAIRS * chroma_step;
        const __m256i middle = _mm256_set1_epi16((short)(1 << 15));
        cb = _mm256_xor_si256(_mm256_slli_epi16(cb, 1), middle);
        cr = _mm256_xor_si256(_mm256_slli_epi16(cr, 1), middle);
        luma = times(luma, Y_ALL);
        const __m256i green = _mm256_add_epi16(times(cb, U_GREEN), times(cr, V_GREEN));
        interleave(sums, mixed(luma, times(cr, V_RED)), mixed(luma, green),
                   mixed(luma, times(cb, U_BLUE)));
    }
}

AVX2 static void
mix_avx2(const Resampling *r, uint16_t *sums)
{
    if (r->yuv.y_step == 2) {
        mix_of(r, sums, 2, 4);
    } else if (r->yuv.chroma_step == 2) {
        mix_of(r, sums, 1, 2);
    } else {
        mix_of(r, sums, 1, 1);
    }
}

const Way way_avx2 = {"avx2", 2, add_rows_avx2, columns_avx2, mix_avx2};

#endif
