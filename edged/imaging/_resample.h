/* Antialiased resizing; edged/imaging/resample.py says which filter and makes the weights.
 *
 * Rows come first. A row of sums is the weighted sum of rows of the source, byte by byte and with 7
 * bits behind the point; a pixel of the result is the weighted sum of pixels of such a row. All is
 * exact but for these two roundings, so every way gives the same bytes:
 *
 *     sum  = the sum over chunks of CHUNK taps of floor(weights * bytes / 2^5), weights in 2^-12
 *     byte = floor((weights * sums + 2^20) / 2^21),                             weights in 2^-14
 *
 * The first chunk begins with the first weight that is not zero.
 *
 * Between the two, sums of Y, U and V become those of red, green and blue: fewer than there are
 * pixels in the source. */

#ifndef EDGED_RESAMPLE_H
#define EDGED_RESAMPLE_H

#include <stddef.h>
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))

enum {
    ROW_BITS = 12,
    COLUMN_BITS = 14,
    SUM_BITS = 7,
    CHUNK = 8,   /* rows added at once */
    SPAN = 32,   /* bytes of a row added at once */
    BLOCK = 8,   /* most rows of sums that become rows of pixels at once */
    PAIRS = 8,   /* of pixels mixed at once */
    BEYOND = 16, /* sums behind a row's last that a way may read, and weigh with zero */
};

/* Of the mixture, whose levels have 6 bits behind the point, so that sums of them fit into 16 bits.
 * The coefficients of edged/imaging/yuv.py are in units of 2^-13, that of Y in 2^-14; BLACK is what
 * Y = 16 comes to. */
enum {
    Y_ALL = 19077,
    V_RED = 13075,
    U_GREEN = -3209,
    V_GREEN = -6660,
    U_BLUE = 16525,
    BLACK = 1192,
    MOST = 255 << 6,
};

/* For each of `count` outputs along an axis: the first input and the weights of `taps` inputs. */
typedef struct {
    const int32_t *starts;
    const int16_t *weights;
    ptrdiff_t count, taps, lowest, end;
} Axis;

/* Bytes of the source, of which the rows are added; their sums lie behind each other in a row. */
typedef struct {
    const uint8_t *start; /* first row */
    ptrdiff_t row_stride, row_bytes; /* from row to row, and what counts of one */
    Axis rows;
    ptrdiff_t at; /* in a row of sums */
} Plane;

/* Where Y, U and V are in a row of sums, for each pixel and each pair of them. */
typedef struct {
    ptrdiff_t pairs; /* none: the sums are of red, green and blue already */
    ptrdiff_t y_step, chroma_step, u_at, v_at;
} Yuv;

typedef struct Resampling {
    const struct Way *way;
    Plane planes[3];
    int plane_count;
    Yuv yuv;
    uint8_t *out;
    ptrdiff_t height, out_row_stride, out_step, out_channel_stride;
    Axis columns;
    ptrdiff_t step, row_sums; /* sums of a pixel, 3 or 4, and of a row */
    int same_width;
    const ptrdiff_t *offsets; /* of the first tap of each output in a row of sums */
    const int16_t *pairs;     /* weights of the columns, an even number of taps for each */
    ptrdiff_t pair_count;
    uint16_t *sums; /* BLOCK rows, `sums_stride` apart */
    ptrdiff_t sums_stride;
    uint16_t *yuv_sums; /* one row */
    ptrdiff_t yuv_stride;
    uint8_t *lines; /* BLOCK finished rows of 3 bytes per pixel, `line_stride` apart */
    ptrdiff_t line_stride;
    uint8_t *scratch; /* as large as sums and lines together */
} Resampling;

/* How the work is done; `rows` is how many rows of sums `columns` takes. */
typedef struct Way {
    const char *name;
    int rows;
    /* Adds `count` rows, at most CHUNK, to the sums, which begin with the `first`. `length` is a
     * multiple of SPAN. */
    void (*add_rows)(uint16_t *sums, const uint8_t *const *rows, const int16_t *weights, int count,
                     ptrdiff_t length, int first);
    void (*columns)(const Resampling *r);
    /* Makes a row of sums of red, green and blue from `yuv_sums`; of up to PAIRS more pairs than
     * there are. Products are rounded: (a * b + 2^14) / 2^15. */
    void (*mix)(const Resampling *r, uint16_t *sums);
} Way;

extern const Way way_any;
#if defined(__x86_64__)
extern const Way way_avx2;
#elif defined(__aarch64__)
extern const Way way_neon;
#endif

/* The bytes that sums, lines and scratch take together. */
size_t scratch_bytes(const Resampling *r);

/* `block` has these bytes, which nobody else uses meanwhile; whatever they hold does no harm. */
void resample(Resampling *r, uint8_t *block);

/* Calls add_rows_of, which each way has for itself, so that `count` and `first` are constants there
 * and partial sums stay in registers. */
#define ADD_ROWS_CASE(n)                                                      \
    case n:                                                                   \
        if (first) {                                                          \
            add_rows_of(sums, rows, weights, n, length, 1);                   \
        } else {                                                              \
            add_rows_of(sums, rows, weights, n, length, 0);                   \
        }                                                                     \
        break;
#define ADD_ROWS                                                              \
    switch (count) {                                                          \
        ADD_ROWS_CASE(1)                                                      \
        ADD_ROWS_CASE(2)                                                      \
        ADD_ROWS_CASE(3)                                                      \
        ADD_ROWS_CASE(4)                                                      \
        ADD_ROWS_CASE(5)                                                      \
        ADD_ROWS_CASE(6)                                                      \
        ADD_ROWS_CASE(7)                                                      \
        ADD_ROWS_CASE(8)                                                      \
    }

#endif
