/* What the passes of a resampling share; _resample.c says what they compute. */

#ifndef EDGED_RESAMPLE_H
#define EDGED_RESAMPLE_H

#include "_kernels.h"

#include <stdint.h>

enum { LANES = 8, ROWS_AT_ONCE = 8, PRECISION_BITS = 22, HALF = 1 << (PRECISION_BITS - 1) };

/* For each of `count` outputs along an axis: the first input and the weights of `taps` inputs. */
typedef struct {
    const int32_t *starts;
    const int32_t *weights;
    Py_ssize_t count, taps, lowest, end;
} Axis;

/* Outputs of a row whose taps lie close together, for one vector; see _resample_vnni.c. */
typedef struct ColumnGroup ColumnGroup;

/* The columns of the source from `columns.lowest` to `columns.end` are all that is read: a row
 * means these, `row_bytes` long. */
typedef struct {
    const uint8_t *pixels; /* first row; rows `row_stride` bytes apart, pixels `step` (3 or 4) */
    Py_ssize_t row_stride, step, row_bytes;
    uint8_t *out;
    Py_ssize_t out_row_stride, out_step, out_channel_stride;
    Axis columns, rows;
    int rows_first;     /* the vertical pass comes first */
    Py_ssize_t within;  /* the first outputs whose vectors end within a row */
    Py_ssize_t tail;    /* where in a row the vectors of the others begin */
    Py_ssize_t *offsets; /* of the first tap of each output in a row, in bytes */
    uint32_t *lanes;    /* column weights spread over the channels, two taps per LANES */
    ColumnGroup *groups; /* the same for VNNI, instead; else NULL */
    int32_t *row_digits; /* the weights of the rows for VNNI; else NULL */
    uint32_t *sums;     /* of one row, in the source or of the output */
    uint8_t *padded;    /* one row, or its tail, and LANES to spare */
    uint8_t *line;      /* one finished row, 3 bytes per pixel */
    uint8_t *ring;      /* horizontally resized rows, `ring_rows` of 3 bytes per output */
    Py_ssize_t ring_rows;
    Py_ssize_t *ring_row; /* the row of the source that each place in the ring holds, or -1 */
} Resampling;

/* A row that output rows take: of the source, or resized already, `length` bytes, in the ring. */
INLINE const uint8_t *
input_row(const Resampling *r, const Py_ssize_t row, const Py_ssize_t length, const int from_ring)
{
    return from_ring ? r->ring + row % r->ring_rows * length : r->pixels + row * r->row_stride;
}

/* How many taps row `y` of the output has, without those at the end that weigh nothing. */
INLINE Py_ssize_t
row_taps(const Resampling *r, const Py_ssize_t y)
{
    const int32_t *weights = r->rows.weights + y * r->rows.taps;
    Py_ssize_t taps = r->rows.taps;
    while (taps > 1 && weights[taps - 1] == 0) {
        taps--;
    }
    return taps;
}

#if defined(__x86_64__)
#define VNNI __attribute__((target("avx2,fma,avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni,prefer-vector-width=512")))

/* Whether VNNI can do it, and is the quicker: not where a few outputs fill a vector. */
int suits_vnni(const Resampling *r);

/* Fills `groups` and `row_digits` from the axes and the offsets; 0 where memory is short. */
int spread_vnni(Resampling *r);

/* The levels of `count` rows, one or two, `3 * columns.count` of each; nothing behind a row's end
 * is read. */
void columns_vnni(const Resampling *r, uint8_t *const *levels, const uint8_t *const *rows, int count);

/* Row `y` of the output, `length` levels, from the rows of the source or those in the ring. */
void rows_vnni(const Resampling *r, uint8_t *levels, Py_ssize_t y, Py_ssize_t length, int from_ring);
#endif

#endif
