/* The pass over the columns with AVX-512 VBMI and VNNI: a row's taps are gathered by one
 * permutation and multiplied four at a time.
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

int
suits_vnni(const Resampling *r)
{
    const Axis *const columns = &r->columns;
    if (kernels_vectors < VECTORS_VNNI || outputs_of_a_group(r) < OUTPUTS_AT_LEAST) {
        return 0;
    }
    for (Py_ssize_t i = 0; i < columns->count * columns->taps; i++) {
        if (columns->weights[i] < 0 || columns->weights[i] > 1 << PRECISION_BITS) {
            return 0;
        }
    }
    return 1;
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
                const int8_t digit = (int8_t)weight;
                int8_t *to = group->taps[k / TAPS].digits[d] + lane + k % TAPS;
                to[0] = to[TAPS] = to[2 * TAPS] = digit;
                weight = (weight - digit) / 256;
            }
        }
    }
}

int
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

VNNI INLINE __m512i
load(const uint8_t *row, const Py_ssize_t from, const Py_ssize_t row_bytes)
{
    if (row_bytes - from >= VECTOR) {
        return _mm512_loadu_si512(row + from);
    }
    return _mm512_maskz_loadu_epi8(((__mmask64)1 << (row_bytes - from)) - 1, row + from);
}

/* `parts` is a constant where this inlines for the usual sizes. */
VNNI INLINE void
columns_of(const Resampling *r, uint8_t *levels, const uint8_t *row, const Py_ssize_t parts)
{
    const uint8_t *const end = levels + 3 * r->columns.count;
    const size_t size = group_size(parts);
    const Py_ssize_t stride = TAPS * r->step;
    const Py_ssize_t ahead = r->rows_first ? 0 : ROWS_AHEAD * r->row_stride;
    const __m512i most = _mm512_set1_epi32(255);
    const __m512i first_bytes = _mm512_castsi128_si512(
        _mm_setr_epi8(0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60));
    for (const ColumnGroup *group = r->groups; levels < end; group = next_group(group, size)) {
        __builtin_prefetch((const void *)((uintptr_t)row + (uintptr_t)(ahead + group->base)));
        const __m512i places = _mm512_load_si512(group->places);
        __m512i low = _mm512_set1_epi32(HALF), middle = _mm512_setzero_si512(), high = middle;
        for (Py_ssize_t k = 0; k < parts; k++) {
            const int8_t(*digits)[VECTOR] = group->taps[k].digits;
            const __m512i window = load(row, group->base + k * stride, r->row_bytes);
            const __m512i values = _mm512_permutexvar_epi8(places, window);
            low = _mm512_dpbusd_epi32(low, values, _mm512_load_si512(digits[0]));
            middle = _mm512_dpbusd_epi32(middle, values, _mm512_load_si512(digits[1]));
            high = _mm512_dpbusd_epi32(high, values, _mm512_load_si512(digits[2]));
        }
        high = _mm512_add_epi32(_mm512_slli_epi32(high, 16), _mm512_slli_epi32(middle, 8));
        const __m512i sums = _mm512_srli_epi32(_mm512_add_epi32(low, high), PRECISION_BITS);
        const __m512i bytes = _mm512_permutexvar_epi8(first_bytes, _mm512_min_epu32(sums, most));
        const __m128i pixels = _mm512_castsi512_si128(bytes);
        const int32_t count = 3 * group->outputs;
        if (end - levels >= (Py_ssize_t)sizeof pixels) {
            _mm_storeu_si128((__m128i *)levels, pixels); /* the next ones overwrite the rest */
        } else {
            _mm_mask_storeu_epi8(levels, (__mmask16)((1u << count) - 1), pixels);
        }
        levels += count;
    }
}

VNNI void
columns_vnni(const Resampling *r, uint8_t *levels, const uint8_t *row)
{
    const Py_ssize_t parts = parts_of(r);
    switch (parts) {
        case 1: columns_of(r, levels, row, 1); break;
        case 2: columns_of(r, levels, row, 2); break;
        default: columns_of(r, levels, row, parts);
    }
}

#endif
