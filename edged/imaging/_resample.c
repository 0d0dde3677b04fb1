/* Antialiased resizing; edged/imaging/resample.py says which filter and makes the weights. */

#include "_kernels.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef float f32x4 __attribute__((vector_size(16)));
typedef float f32x8 __attribute__((vector_size(32)));

enum { LANES = 8, ROWS_AT_ONCE = 8 };

/* For each of `count` outputs along an axis: the first input and the weights of `taps` inputs. */
typedef struct {
    const int32_t *starts;
    const float *weights;
    Py_ssize_t count, taps, lowest, end;
} Axis;

typedef struct {
    const uint8_t *pixels; /* first pixel; rows `row_stride` bytes apart, pixels `step` (3 or 4) */
    Py_ssize_t row_stride, step;
    uint8_t *out;
    Py_ssize_t out_row_stride, out_step, out_channel_stride;
    Axis columns, rows;
    float *sums;    /* one row, (columns.end - columns.lowest) * step and LANES to spare */
    float *lanes;   /* column weights spread over the channels, two taps per LANES */
    float *means;   /* one finished row before rounding, 3 per pixel and one to spare */
    uint8_t *line;  /* one finished row, 3 bytes per pixel */
} Resampling;

/* sums[i] (+)= unit * the weighted sum of `count` rows at i. `count` and `first` are constants
 * wherever this inlines, so partial sums stay in registers.
 *
 * 16-bit arithmetic (the high half of a product) is twice as fast as float: the weights are
 * fractions of 65536 that add up to 65536 at most, so the sum fits. Each product is cut, by half a
 * unit on average, which `count / 2` makes good. */
INLINE void
add_rows(float *restrict sums, const uint8_t *const *rows, const uint16_t *weights, const float unit,
         const Py_ssize_t length, const int count, const int first)
{
    for (Py_ssize_t i = 0; i < length; i++) {
        uint16_t sum = (uint16_t)(count / 2);
        for (int k = 0; k < count; k++) {
            const uint16_t value = (uint16_t)(rows[k][i] << 8);
            sum = (uint16_t)(sum + (((uint32_t)value * weights[k]) >> 16));
        }
        sums[i] = first ? unit * sum : sums[i] + unit * sum;
    }
}

INLINE void
vertical(const Resampling *r, Py_ssize_t y)
{
    const Py_ssize_t length = (r->columns.end - r->columns.lowest - 1) * r->step + 3;
    const uint8_t *row = r->pixels + r->columns.lowest * r->step + r->rows.starts[y] * r->row_stride;
    const float *weights = r->rows.weights + y * r->rows.taps;
    Py_ssize_t left = r->rows.taps;
    while (left > 1 && weights[left - 1] == 0.0f) {
        left--;
    }
    for (int first = 1; left > 0; first = 0) {
        const int count = left < ROWS_AT_ONCE ? (int)left : ROWS_AT_ONCE;
        const uint8_t *rows[ROWS_AT_ONCE];
        uint16_t fractions[ROWS_AT_ONCE];
        float total = 0.0f, scale = 65536.0f;
        for (int k = 0; k < count; k++, row += r->row_stride) {
            rows[k] = row;
            total += weights[k];
        }
        /* Many rows have small weights each: scaled up, they keep their precision. */
        while (scale * total <= 32768.0f && scale < 16777216.0f) {
            scale *= 2.0f;
        }
        for (int k = 0; k < count; k++) {
            const float fraction = scale * weights[k] + 0.5f;
            fractions[k] = fraction < 65535.0f ? (uint16_t)fraction : 65535;
        }
        const float unit = 256.0f / scale;
        switch (count) {
#define CASE(n)                                                              \
    case n:                                                                  \
        if (first) {                                                         \
            add_rows(r->sums, rows, fractions, unit, length, n, 1);          \
        } else {                                                             \
            add_rows(r->sums, rows, fractions, unit, length, n, 0);          \
        }                                                                    \
        break;
            CASE(1)
            CASE(2)
            CASE(3)
            CASE(4)
            CASE(5)
            CASE(6)
            CASE(7)
            CASE(8)
#undef CASE
        }
        weights += count;
        left -= count;
    }
}

INLINE void
horizontal(const Resampling *r, const int step, const Py_ssize_t pairs)
{
    const float *const row = r->sums - r->columns.lowest * step;
    const int32_t *const starts = r->columns.starts;
    const Py_ssize_t count = r->columns.count;
    const float *restrict lanes = r->lanes;
    float *restrict means = r->means;
    for (Py_ssize_t x = 0; x < count; x++) {
        const float *sums = row + (Py_ssize_t)starts[x] * step;
        f32x8 sum = {0};
        for (Py_ssize_t k = 0; k < pairs; k++, lanes += LANES, sums += 2 * step) {
            f32x8 a, b;
            memcpy(&a, sums, sizeof a);
            memcpy(&b, lanes, sizeof b);
            sum += a * b;
        }
        const f32x4 even = {sum[0], sum[1], sum[2], 0.0f};
        const f32x4 odd = {sum[step], sum[step + 1], sum[step + 2], 0.0f};
        const f32x4 pixel = even + odd;
        memcpy(means + 3 * x, &pixel, sizeof pixel);
    }
    uint8_t *restrict line = r->line;
    for (Py_ssize_t i = 0; i < 3 * count; i++) {
        line[i] = (uint8_t)(int32_t)(means[i] + 0.5f);
    }
}

INLINE void
put_line(const Resampling *r, uint8_t *restrict out)
{
    const uint8_t *restrict line = r->line;
    const Py_ssize_t count = r->columns.count;
    if (r->out_step == 3 && r->out_channel_stride == 1) {
        memcpy(out, line, (size_t)(3 * count));
    } else if (r->out_channel_stride == 1) {
        for (Py_ssize_t x = 0; x < count; x++, out += r->out_step) {
            memcpy(out, line + 3 * x, 3);
        }
    } else {
        for (Py_ssize_t x = 0; x < count; x++, out += r->out_step) {
            for (int c = 0; c < 3; c++) {
                out[c * r->out_channel_stride] = line[3 * x + c];
            }
        }
    }
}

INLINE void
resample_all(const Resampling *r)
{
    const Py_ssize_t pairs = (r->columns.taps + 1) / 2;
    for (Py_ssize_t y = 0; y < r->rows.count; y++) {
        vertical(r, y);
        if (r->step == 3) {
            switch (pairs) {
                case 1: horizontal(r, 3, 1); break;
                case 2: horizontal(r, 3, 2); break;
                case 3: horizontal(r, 3, 3); break;
                case 4: horizontal(r, 3, 4); break;
                default: horizontal(r, 3, pairs);
            }
        } else {
            horizontal(r, 4, pairs);
        }
        put_line(r, r->out + y * r->out_row_stride);
    }
}

static void
resample_any(const Resampling *r)
{
    resample_all(r);
}

#ifdef AVX2
AVX2 static void
resample_avx2(const Resampling *r)
{
    resample_all(r);
}
#endif

/* Fills `axis` from two buffers; 0 with a Python error set where an index would leave 0..size. */
static int
read_axis(Axis *axis, const Py_buffer *starts, const Py_buffer *weights, Py_ssize_t count,
          Py_ssize_t size)
{
    const Py_ssize_t values = weights->len / (Py_ssize_t)sizeof(float);
    axis->starts = starts->buf;
    axis->weights = weights->buf;
    axis->count = count;
    axis->taps = count > 0 ? values / count : 0;
    if (count < 1 || starts->len != count * (Py_ssize_t)sizeof(int32_t) || axis->taps < 1 ||
        weights->len != count * axis->taps * (Py_ssize_t)sizeof(float)) {
        PyErr_SetString(PyExc_ValueError, "starts and weights do not fit the size of the output");
        return 0;
    }
    axis->lowest = size;
    axis->end = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        const Py_ssize_t start = axis->starts[i];
        if (start < 0 || start > size - axis->taps) {
            PyErr_SetString(PyExc_ValueError, "a tap lies outside of the picture");
            return 0;
        }
        axis->lowest = start < axis->lowest ? start : axis->lowest;
        axis->end = start + axis->taps > axis->end ? start + axis->taps : axis->end;
    }
    for (Py_ssize_t i = 0; i < values; i++) {
        if (!(axis->weights[i] >= 0.0f && axis->weights[i] <= 1.0f)) {
            PyErr_SetString(PyExc_ValueError, "a weight is not within 0..1");
            return 0;
        }
    }
    return 1;
}

static int
prepare(Resampling *r, const Py_buffer *pixels, const Py_buffer *out, const Py_buffer *axes)
{
    if (!is_picture(pixels) || !is_picture(out)) {
        PyErr_SetString(PyExc_ValueError, "pixels and out must be uint8 of shape (height, width, 3)");
        return 0;
    }
    if ((pixels->strides[1] != 3 && pixels->strides[1] != 4) || pixels->strides[2] != 1) {
        PyErr_SetString(PyExc_ValueError, "pixels must be 3 or 4 bytes apart, channels 1");
        return 0;
    }
    *r = (Resampling){
        .pixels = pixels->buf,
        .row_stride = pixels->strides[0],
        .step = pixels->strides[1],
        .out = out->buf,
        .out_row_stride = out->strides[0],
        .out_step = out->strides[1],
        .out_channel_stride = out->strides[2],
    };
    if (!read_axis(&r->columns, &axes[0], &axes[1], out->shape[1], pixels->shape[1]) ||
        !read_axis(&r->rows, &axes[2], &axes[3], out->shape[0], pixels->shape[0])) {
        return 0;
    }
    const size_t pairs = (size_t)(r->columns.taps + 1) / 2;
    const size_t width = (size_t)(r->columns.end - r->columns.lowest);
    r->sums = calloc(width * (size_t)r->step + 2 * LANES, sizeof(float));
    r->lanes = calloc((size_t)r->columns.count * pairs * LANES, sizeof(float));
    r->means = malloc(((size_t)r->columns.count * 3 + 1) * sizeof(float));
    r->line = malloc((size_t)r->columns.count * 3);
    if (r->sums == NULL || r->lanes == NULL || r->means == NULL || r->line == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    for (Py_ssize_t x = 0; x < r->columns.count; x++) {
        for (Py_ssize_t k = 0; k < r->columns.taps; k++) {
            float *lane = r->lanes + ((size_t)x * pairs + (size_t)k / 2) * LANES + k % 2 * r->step;
            lane[0] = lane[1] = lane[2] = r->columns.weights[x * r->columns.taps + k];
        }
    }
    return 1;
}

PyObject *
kernels_resample(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *pixels_object, *out_object, *axis_objects[4];
    if (!PyArg_ParseTuple(args, "OOOOOO", &pixels_object, &out_object, &axis_objects[0],
                          &axis_objects[1], &axis_objects[2], &axis_objects[3])) {
        return NULL;
    }
    Py_buffer pixels = {0}, out = {0}, axes[4] = {{0}};
    Resampling r = {0};
    int ready = PyObject_GetBuffer(pixels_object, &pixels, PyBUF_STRIDED_RO) == 0 &&
                PyObject_GetBuffer(out_object, &out, PyBUF_STRIDED) == 0;
    for (int i = 0; ready && i < 4; i++) {
        ready = PyObject_GetBuffer(axis_objects[i], &axes[i], PyBUF_SIMPLE) == 0;
    }
    ready = ready && prepare(&r, &pixels, &out, axes);
    if (ready) {
        Py_BEGIN_ALLOW_THREADS
        RUN(resample, &r);
        Py_END_ALLOW_THREADS
    }
    free(r.sums);
    free(r.lanes);
    free(r.means);
    free(r.line);
    for (int i = 0; i < 4; i++) {
        PyBuffer_Release(&axes[i]);
    }
    PyBuffer_Release(&out);
    PyBuffer_Release(&pixels);
    if (!ready) {
        return NULL;
    }
    Py_RETURN_NONE;
}
