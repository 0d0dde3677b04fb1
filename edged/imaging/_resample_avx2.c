/* The way of x86-64 with AVX2. Two rows of sums at a time, one in each half of a vector. */

#ifdef __x86_64__

#include "_resample.h"

#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))

/* So that they are signed 16-bit numbers, sums have this taken off. */
enum { BIAS = 1 << 15 };

/* Weights are cut in two: so two products of bytes, and their sum, take one instruction. */
AVX2 INLINE void
add_rows_of(uint16_t *restrict sums, const uint8_t *const *rows, const int16_t *weights,
            const int count, const ptrdiff_t length, const int first)
{
    /* The high part, up to 127, is of half the low part's steps for a signed byte. */
    enum { LOW_BITS = ROW_BITS - SUM_BITS + 1, PAIRS = CHUNK / 2 };
    __m256i highs[PAIRS], lows[PAIRS];
    for (int k = 0; k < count; k += 2) {
        int high[2] = {0}, low[2] = {0};
        for (int j = 0; j < 2 && k + j < count; j++) {
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
        __m256i sum[2];
        for (int half = 0; half < 2; half++) {
            sum[half] = _mm256_add_epi16(_mm256_add_epi16(high[half], high[half]),
                                         _mm256_srli_epi16(low[half], LOW_BITS - 1));
        }
        __m256i *const place = (__m256i *)(sums + i);
        const __m256i bias = _mm256_set1_epi16((short)BIAS);
        for (int half = 0; half < 2; half++) {
            const __m256i straight = half == 0 ? _mm256_permute2x128_si256(sum[0], sum[1], 0x20)
                                               : _mm256_permute2x128_si256(sum[0], sum[1], 0x31);
            const __m256i before = first ? bias : _mm256_loadu_si256(place + half);
            _mm256_storeu_si256(place + half, _mm256_add_epi16(straight, before));
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
    __m256i sum = _mm256_set1_epi32((BIAS << COLUMN_BITS) + (1 << (BITS - 1)));
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

const Way way_avx2 = {"avx2", 2, add_rows_avx2, columns_avx2};

#endif
