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

INLINE int
times(const int value, const int factor)
{
    return (value * factor + (1 << 14)) >> 15;
}

INLINE uint16_t
mixed(const int luma, const int chroma)
{
    const int level = luma + chroma - BLACK;
    return (uint16_t)(2 * (level < 0 ? 0 : level > MOST ? MOST : level));
}

static void
mix_any(const Resampling *r, uint16_t *sums)
{
    const Yuv *const yuv = &r->yuv;
    const uint16_t *y = r->yuv_sums;
    for (ptrdiff_t i = 0; i < 2 * yuv->pairs; i++, y += yuv->y_step, sums += 3) {
        const ptrdiff_t at = i / 2 * yuv->chroma_step;
        const int u = 2 * r->yuv_sums[yuv->u_at + at] - (1 << 15);
        const int v = 2 * r->yuv_sums[yuv->v_at + at] - (1 << 15);
        const int luma = times(*y, Y_ALL);
        sums[0] = mixed(luma, times(v, V_RED));
        sums[1] = mixed(luma, times(u, U_GREEN) + times(v, V_GREEN));
        sums[2] = mixed(luma, times(u, U_BLUE));
    }
}

const Way way_any = {"any", 1, add_rows_any, columns_any, mix_any};

/* Row `y` of the sums of a plane. */
static void
sum_rows(const Way *way, uint16_t *sums, const Plane *plane, const ptrdiff_t y)
{
    const int16_t *weights = plane->rows.weights + y * plane->rows.taps;
    const uint8_t *row = plane->start + plane->rows.starts[y] * plane->row_stride;
    ptrdiff_t left = plane->rows.taps;
    for (; left > 1 && weights[0] == 0; left--, weights++) {
        row += plane->row_stride;
    }
    while (left > 1 && weights[left - 1] == 0) {
        left--;
    }
    const ptrdiff_t whole = plane->row_bytes / SPAN * SPAN, rest = plane->row_bytes - whole;
    for (int first = 1; left > 0; first = 0) {
        const int count = left < CHUNK ? (int)left : CHUNK;
        const uint8_t *rows[CHUNK];
        for (int k = 0; k < count; k++, row += plane->row_stride) {
            rows[k] = row;
        }
        way->add_rows(sums, rows, weights, count, whole, first);
        if (rest > 0) {
            /* Nothing behind the end of a row is read. */
            uint8_t ends[CHUNK][SPAN] = {{0}};
            for (int k = 0; k < count; k++) {
                rows[k] = memcpy(ends[k], rows[k] + whole, (size_t)rest);
            }
            way->add_rows(sums + whole, rows, weights, count, SPAN, first);
        }
        left -= count;
        weights += count;
    }
}

static void
sum_planes(const Resampling *r, uint16_t *sums, const ptrdiff_t y)
{
    uint16_t *const target = r->yuv.pairs > 0 ? r->yuv_sums : sums;
    for (int i = 0; i < r->plane_count; i++) {
        sum_rows(r->way, target + r->planes[i].at, &r->planes[i], y);
    }
    if (r->yuv.pairs > 0) {
        r->way->mix(r, sums);
    }
}

/* What columns would give where each output is one input. */
INLINE void
round_sums(uint8_t *restrict line, const uint16_t *restrict sums, const ptrdiff_t length)
{
    for (ptrdiff_t i = 0; i < length; i++) {
        line[i] = (uint8_t)((uint16_t)(sums[i] + (1 << (SUM_BITS - 1))) >> SUM_BITS);
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
    return 2 * (sums_bytes(r) + lines_bytes(r)) + (size_t)r->yuv_stride * sizeof *r->yuv_sums;
}

void
resample(Resampling *r, uint8_t *block)
{
    r->sums = (uint16_t *)block;
    r->yuv_sums = r->sums + BLOCK * r->sums_stride;
    r->lines = (uint8_t *)(r->yuv_sums + r->yuv_stride);
    r->scratch = r->lines + lines_bytes(r);
    for (ptrdiff_t y = 0; y < r->height; y += r->way->rows) {
        const ptrdiff_t left = r->height - y;
        const int count = left < r->way->rows ? (int)left : r->way->rows;
        for (int j = 0; j < count; j++) {
            sum_planes(r, r->sums + j * r->sums_stride, y + j);
        }
        if (!r->same_width) {
            r->way->columns(r);
        }
        for (int j = 0; j < count; j++) {
            uint8_t *const line = r->lines + j * r->line_stride;
            if (r->same_width) {
                round_sums(line, r->sums + j * r->sums_stride, 3 * r->columns.count);
            }
            put(r, line, y + j);
        }
    }
}
