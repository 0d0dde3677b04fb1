/* The order of the work, and the way of any processor; _resample.h says what they compute. */

#include "_resample.h"

#include <string.h>

INLINE void
add_rows_of(uint16_t *restrict sums, const uint8_t *const *rows, const int16_t *weights,
            const int count, const ptrdiff_t length, const int first)
{
    for (ptrdiff_t i = 0; i < length; i++) {
        uint32_t sum = 0;
        for (int k = 0; k < count; k++) {
            sum += (uint32_t)(rows[k][i] * weights[k]);
        }
        sums[i] = (uint16_t)((first ? 0 : sums[i]) + (sum >> (ROW_BITS - SUM_BITS)));
    }
}

static void
add_rows_any(uint16_t *sums, const uint8_t *const *rows, const int16_t *weights, const int count,
             const ptrdiff_t length, const int first)
{
    ADD_ROWS
}

static void
columns_any(const Resampling *r)
{
    const int16_t *weights = r->pairs;
    uint8_t *line = r->lines;
    for (ptrdiff_t x = 0; x < r->columns.count; x++, line += 3) {
        const uint16_t *sums = r->sums + r->offsets[x];
        enum { BITS = COLUMN_BITS + SUM_BITS };
        uint32_t red = 1 << (BITS - 1), green = red, blue = red;
        for (ptrdiff_t k = 2 * r->pair_count; k > 0; k--, weights++, sums += r->step) {
            red += (uint32_t)(sums[0] * *weights);
            green += (uint32_t)(sums[1] * *weights);
            blue += (uint32_t)(sums[2] * *weights);
        }
        line[0] = (uint8_t)(red >> BITS);
        line[1] = (uint8_t)(green >> BITS);
        line[2] = (uint8_t)(blue >> BITS);
    }
}

const Way way_any = {"any", 1, add_rows_any, columns_any};

/* Row `y` of the output before the columns are done. */
static void
sum_rows(const Resampling *r, uint16_t *sums, const ptrdiff_t y)
{
    const int16_t *weights = r->rows.weights + y * r->rows.taps;
    const uint8_t *row = r->pixels + r->rows.starts[y] * r->row_stride;
    ptrdiff_t left = r->rows.taps;
    for (; left > 1 && weights[0] == 0; left--, weights++) {
        row += r->row_stride;
    }
    while (left > 1 && weights[left - 1] == 0) {
        left--;
    }
    const ptrdiff_t whole = r->row_bytes / SPAN * SPAN, rest = r->row_bytes - whole;
    for (int first = 1; left > 0; first = 0) {
        const int count = left < CHUNK ? (int)left : CHUNK;
        const uint8_t *rows[CHUNK];
        for (int k = 0; k < count; k++, row += r->row_stride) {
            rows[k] = row;
        }
        r->way->add_rows(sums, rows, weights, count, whole, first);
        if (rest > 0) {
            /* Nothing behind the end of a row is read. */
            uint8_t ends[CHUNK][SPAN] = {{0}};
            for (int k = 0; k < count; k++) {
                rows[k] = memcpy(ends[k], rows[k] + whole, (size_t)rest);
            }
            r->way->add_rows(sums + whole, rows, weights, count, SPAN, first);
        }
        left -= count;
        weights += count;
    }
}

INLINE void
scatter(uint8_t *restrict out, const uint8_t *restrict line, const ptrdiff_t count,
        const ptrdiff_t step, const ptrdiff_t channel_stride)
{
    for (ptrdiff_t x = 0; x < count; x++) {
        for (int c = 0; c < 3; c++) {
            out[x * step + c * channel_stride] = line[3 * x + c];
        }
    }
}

static void
put(const Resampling *r, const uint8_t *line, const ptrdiff_t y)
{
    uint8_t *out = r->out + y * r->out_row_stride;
    const ptrdiff_t count = r->columns.count;
    if (r->out_step == 3 && r->out_channel_stride == 1) {
        memcpy(out, line, 3 * (size_t)count);
    } else if (r->out_step == 3 && r->out_channel_stride == -1) {
        scatter(out, line, count, 3, -1);
    } else {
        scatter(out, line, count, r->out_step, r->out_channel_stride);
    }
}

static size_t
sums_bytes(const Resampling *r)
{
    return BLOCK * (size_t)r->sums_stride * sizeof *r->sums;
}

static size_t
lines_bytes(const Resampling *r)
{
    return BLOCK * (size_t)r->line_stride;
}

size_t
scratch_bytes(const Resampling *r)
{
    return 2 * (sums_bytes(r) + lines_bytes(r));
}

void
resample(Resampling *r, uint8_t *block)
{
    r->sums = (uint16_t *)block;
    r->lines = block + sums_bytes(r);
    r->scratch = r->lines + lines_bytes(r);
    for (ptrdiff_t y = 0; y < r->rows.count; y += r->way->rows) {
        const ptrdiff_t left = r->rows.count - y;
        const int count = left < r->way->rows ? (int)left : r->way->rows;
        for (int j = 0; j < count; j++) {
            sum_rows(r, r->sums + j * r->sums_stride, y + j);
        }
        r->way->columns(r);
        for (int j = 0; j < count; j++) {
            put(r, r->lines + j * r->line_stride, y + j);
        }
    }
}
