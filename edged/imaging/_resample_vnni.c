/* Both passes with AVX-512 VBMI and VNNI, which multiplies four taps at a time. Those of a row are
 * gathered by one permutation; those of a column are in four rows, which are interleaved.
 *
 * VPDPBUSD adds four products of an unsigned and a signed byte to a sum of 32 bits. A weight has
 * 23 bits, so it is written with three signed digits of base 256 and summed digit by digit. These
 * are sums of integers: the result is the same to the bit. */

#include "_resample.h"

#ifdef VNNI

#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

enum { VECTOR = 64, TAPS = 4, DIGITS = 3, OUTPUTS_AT_MOST = 5, OUTPUTS_AT_LEAST = 3 };

/* More taps than a reduction has that `suits_vnni` lets through; a multiple of TAPS. */
enum { ROWS_AT_MOST = 64 };

/* Rows between the one that is worked on and the one that is fetched from memory meanwhile. The
 * processor fetches ahead by itself, but not beyond a page, and a page holds two rows of VGA. */
enum { ROWS_AHEAD = 4 };

typedef struct {
    int8_t digits[DIGITS][VECTOR]; /* of the weights, least first; four taps in each 32 bits */
} Taps;

struct ColumnGroup {
    _Alignas(VECTOR) uint8_t places[VECTOR]; /* where after `base` a vector's bytes come from */
    Py_ssize_t base;
    int32_t outputs;
    _Alignas(VECTOR) Taps taps[];
};

static Py_ssize_t
parts_of(const Resampling *r)
{
    return (r->columns.taps + TAPS - 1) / TAPS;
}

static Py_ssize_t
row_parts(const Resampling *r)
{
    return (r->rows.taps + TAPS - 1) / TAPS;
}

static size_t
group_size(const Py_ssize_t parts)
{
    return sizeof(ColumnGroup) + (size_t)parts * sizeof(Taps);
}

static const ColumnGroup *
next_group(const ColumnGroup *group, const size_t size)
{
    return (const ColumnGroup *)((const uint8_t *)group + size);
}

/* From the first byte of the first output to the last byte of the last, in one load. */
static Py_ssize_t
spread(const Resampling *r, const Py_ssize_t first, const Py_ssize_t end, Py_ssize_t *lowest)
{
    Py_ssize_t highest = *lowest = r->offsets[first];
    for (Py_ssize_t x = first + 1; x < end; x++) {
        *lowest = r->offsets[x] < *lowest ? r->offsets[x] : *lowest;
        highest = r->offsets[x] > highest ? r->offsets[x] : highest;
    }
    return highest - *lowest + (TAPS - 1) * r->step + 3;
}

/* How many outputs lie close enough together everywhere; one always does. */
static Py_ssize_t
outputs_of_a_group(const Resampling *r)
{
    Py_ssize_t lowest, outputs = OUTPUTS_AT_MOST;
    for (Py_ssize_t x = 0; x < r->columns.count; x += outputs) {
        const Py_ssize_t left = r->columns.count - x;
        while (spread(r, x, x + (outputs < left ? outputs : left), &lowest) > VECTOR) {
            outputs--;
            x = 0;
        }
    }
    return outputs;
}

/* Whether the weights are those of a filter, which have as many digits as there are. */
static int
has_digits(const Axis *axis)
{
    for (Py_ssize_t i = 0; i < axis->count * axis->taps; i++) {
        if (axis->weights[i] < 0 || axis->weights[i] > 1 << PRECISION_BITS) {
            return 0;
        }
    }
    return 1;
}

int
suits_vnni(const Resampling *r)
{
    if (kernels_vectors < VECTORS_VNNI || outputs_of_a_group(r) < OUTPUTS_AT_LEAST) {
        return 0;
    }
    return r->rows.taps <= ROWS_AT_MOST && has_digits(&r->columns) && has_digits(&r->rows);
}

/* The lowest signed digit of `weight`, which is without it then. */
static int8_t
next_digit(int32_t *weight)
{
    const int8_t digit = (int8_t)*weight;
    *weight = (*weight - digit) / 256;
    return digit;
}

static void
fill_group(const Resampling *r, ColumnGroup *group, const Py_ssize_t first, const Py_ssize_t end)
{
    const Py_ssize_t taps = r->columns.taps;
    spread(r, first, end, &group->base);
    group->outputs = (int32_t)(end - first);
    for (Py_ssize_t x = first; x < end; x++) {
        const Py_ssize_t place = r->offsets[x] - group->base, lane = 3 * TAPS * (x - first);
        for (Py_ssize_t i = 0; i < 3 * TAPS; i++) {
            group->places[lane + i] = (uint8_t)(place + i / TAPS + i % TAPS * r->step);
        }
        for (Py_ssize_t k = 0; k < taps; k++) {
            int32_t weight = r->columns.weights[x * taps + k];
            for (int d = 0; d < DIGITS; d++) {
                int8_t *to = group->taps[k / TAPS].digits[d] + lane + k % TAPS;
                to[0] = to[TAPS] = to[2 * TAPS] = next_digit(&weight);
            }
        }
    }
}

static int
group_columns(Resampling *r)
{
    const Py_ssize_t count = r->columns.count, outputs = outputs_of_a_group(r);
    const size_t size = group_size(parts_of(r)), whole = (size_t)((count - 1) / outputs + 1) * size;
    r->groups = aligned_alloc(VECTOR, whole);
    if (r->groups == NULL) {
        return 0;
    }
    memset(r->groups, 0, whole);
    ColumnGroup *group = r->groups;
    for (Py_ssize_t x = 0; x < count; x += outputs) {
        fill_group(r, group, x, x + outputs < count ? x + outputs : count);
        group = (ColumnGroup *)((uint8_t *)group + size);
    }
    return 1;
}

static int
spread_rows(Resampling *r)
{
    const Py_ssize_t taps = r->rows.taps, row_digits = row_parts(r) * DIGITS;
    r->row_digits = calloc((size_t)(r->rows.count * row_digits), sizeof *r->row_digits);
    if (r->row_digits == NULL) {
        return 0;
    }
    for (Py_ssize_t y = 0; y < r->rows.count; y++) {
        for (Py_ssize_t k = 0; k < taps; k++) {
            int32_t weight = r->rows.weights[y * taps + k];
            for (int d = 0; d < DIGITS; d++) {
                int8_t *const to =
                    (int8_t *)(r->row_digits + y * row_digits + k / TAPS * DIGITS + d);
                to[k % TAPS] = next_digit(&weight);
            }
        }
    }
    return 1;
}

int
spread_vnni(Resampling *r)
{
    return group_columns(r) && spread_rows(r);
}

/* Sums of the products with each digit to levels. */
VNNI INLINE __m512i
levels_of(const __m512i low, const __m512i middle, const __m512i high)
{
    const __m512i above =
        _mm512_add_epi32(_mm512_slli_epi32(high, 16), _mm512_slli_epi32(middle, 8));
    const __m512i sums = _mm512_srli_epi32(_mm512_add_epi32(low, above), PRECISION_BITS);
    return _mm512_min_epu32(sums, _mm512_set1_epi32(255));
}

VNNI INLINE __m512i
load(const uint8_t *row, const Py_ssize_t from, const Py_ssize_t row_bytes)
{
    if (row_bytes - from >= VECTOR) {
        return _mm512_loadu_si512(row + from);
    }
    return _mm512_maskz_loadu_epi8(((__mmask64)1 << (row_bytes - from)) - 1, row + from);
}

/* `parts` is a constant where this inlines for the usual sizes, and `count`, one row or two: the
 * weights of all groups fill most of the first cache, and two rows share what is read of them. */
VNNI INLINE void
columns_of(const Resampling *r, uint8_t *const *levels, const uint8_t *const *rows,
           const int count, const Py_ssize_t parts)
{
    const Py_ssize_t length = 3 * r->columns.count, stride = TAPS * r->step;
    const Py_ssize_t ahead = r->rows_first ? 0 : ROWS_AHEAD * r->row_stride;
    const size_t size = group_size(parts);
    const __m512i first_bytes = _mm512_castsi128_si512(
        _mm_setr_epi8(0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60));
    const ColumnGroup *group = r->groups;
    for (Py_ssize_t at = 0; at < length; group = next_group(group, size)) {
        const __m512i places = _mm512_load_si512(group->places);
        __m512i low[2], middle[2], high[2];
        for (int i = 0; i < count; i++) {
            __builtin_prefetch(
                (const void *)((uintptr_t)rows[i] + (uintptr_t)(ahead + group->base)));
            low[i] = _mm512_set1_epi32(HALF);
            middle[i] = high[i] = _mm512_setzero_si512();
        }
        for (Py_ssize_t k = 0; k < parts; k++) {
            const int8_t(*digits)[VECTOR] = group->taps[k].digits;
            const __m512i first = _mm512_load_si512(digits[0]);
            const __m512i second = _mm512_load_si512(digits[1]);
            const __m512i third = _mm512_load_si512(digits[2]);
            for (int i = 0; i < count; i++) {
                const __m512i window = load(rows[i], group->base + k * stride, r->row_bytes);
                const __m512i values = _mm512_permutexvar_epi8(places, window);
                low[i] = _mm512_dpbusd_epi32(low[i], values, first);
                middle[i] = _mm512_dpbusd_epi32(middle[i], values, second);
                high[i] = _mm512_dpbusd_epi32(high[i], values, third);
            }
        }
        const int32_t made = 3 * group->outputs;
        for (int i = 0; i < count; i++) {
            const __m128i pixels = _mm512_castsi512_si128(
                _mm512_permutexvar_epi8(first_bytes, levels_of(low[i], middle[i], high[i])));
            if (length - at >= (Py_ssize_t)sizeof pixels) {
                /* The next ones overwrite the rest. */
                _mm_storeu_si128((__m128i *)(levels[i] + at), pixels);
            } else {
                _mm_mask_storeu_epi8(levels[i] + at, (__mmask16)((1u << made) - 1), pixels);
            }
        }
        at += made;
    }
}

VNNI void
columns_vnni(const Resampling *r, uint8_t *const *levels, const uint8_t *const *rows,
             const int count)
{
    const Py_ssize_t parts = parts_of(r);
    if (parts == 1 && count == 2) {
        columns_of(r, levels, rows, 2, 1);
    } else if (parts == 2 && count == 2) {
        columns_of(r, levels, rows, 2, 2);
    } else {
        for (int i = 0; i < count; i++) {
            columns_of(r, levels + i, rows + i, 1, parts);
        }
    }
}

/* VECTOR levels from `parts` times TAPS rows; `mask` says which there are. */
VNNI INLINE void
sum_rows(uint8_t *levels, const uint8_t *const *rows, const int32_t *digits,
         const Py_ssize_t parts, const Py_ssize_t at, const __mmask64 mask)
{
    enum { QUARTERS = 4 };
    __m512i low[QUARTERS], middle[QUARTERS], high[QUARTERS], quarters[QUARTERS];
    for (int q = 0; q < QUARTERS; q++) {
        low[q] = _mm512_set1_epi32(HALF);
        middle[q] = high[q] = _mm512_setzero_si512();
    }
    for (Py_ssize_t part = 0; part < parts; part++, rows += TAPS, digits += DIGITS) {
        const __m512i a = _mm512_maskz_loadu_epi8(mask, rows[0] + at);
        const __m512i b = _mm512_maskz_loadu_epi8(mask, rows[1] + at);
        const __m512i c = _mm512_maskz_loadu_epi8(mask, rows[2] + at);
        const __m512i d = _mm512_maskz_loadu_epi8(mask, rows[3] + at);
        const __m512i ab = _mm512_unpacklo_epi8(a, b), cd = _mm512_unpacklo_epi8(c, d);
        const __m512i ab_high = _mm512_unpackhi_epi8(a, b), cd_high = _mm512_unpackhi_epi8(c, d);
        quarters[0] = _mm512_unpacklo_epi16(ab, cd);
        quarters[1] = _mm512_unpackhi_epi16(ab, cd);
        quarters[2] = _mm512_unpacklo_epi16(ab_high, cd_high);
        quarters[3] = _mm512_unpackhi_epi16(ab_high, cd_high);
        for (int q = 0; q < QUARTERS; q++) {
            low[q] = _mm512_dpbusd_epi32(low[q], quarters[q], _mm512_set1_epi32(digits[0]));
            middle[q] = _mm512_dpbusd_epi32(middle[q], quarters[q], _mm512_set1_epi32(digits[1]));
            high[q] = _mm512_dpbusd_epi32(high[q], quarters[q], _mm512_set1_epi32(digits[2]));
        }
    }
    for (int q = 0; q < QUARTERS; q++) {
        quarters[q] = levels_of(low[q], middle[q], high[q]);
    }
    /* Packing undoes the order in which unpacking left them. */
    const __m512i packed = _mm512_packus_epi16(_mm512_packus_epi32(quarters[0], quarters[1]),
                                               _mm512_packus_epi32(quarters[2], quarters[3]));
    _mm512_mask_storeu_epi8(levels + at, mask, packed);
}

VNNI void
rows_vnni(const Resampling *r, uint8_t *levels, const Py_ssize_t y, const Py_ssize_t length,
          const int from_ring)
{
    const Py_ssize_t taps = row_taps(r, y), parts = (taps + TAPS - 1) / TAPS;
    const int32_t *const digits = r->row_digits + y * row_parts(r) * DIGITS;
    const uint8_t *rows[ROWS_AT_MOST];
    for (Py_ssize_t k = 0; k < parts * TAPS; k++) {
        /* Those beyond the last weigh nothing, and any row does. */
        rows[k] = input_row(r, r->rows.starts[y] + (k < taps ? k : taps - 1), length, from_ring);
    }
    for (Py_ssize_t at = 0; at < length; at += VECTOR) {
        const Py_ssize_t left = length - at;
        const __mmask64 mask = left < VECTOR ? ((__mmask64)1 << left) - 1 : ~(__mmask64)0;
        switch (parts) {
            case 1: sum_rows(levels, rows, digits, 1, at, mask); break;
            case 2: sum_rows(levels, rows, digits, 2, at, mask); break;
            default: sum_rows(levels, rows, digits, parts, at, mask);
        }
    }
}

#endif
