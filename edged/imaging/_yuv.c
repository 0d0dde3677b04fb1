/* YUV to RGB; edged/imaging/yuv.py says which encoding and lays out the planes. */

#include "_kernels.h"

#include <stdint.h>
#include <stdlib.h>

/* Planes as they lie among the bytes of a frame, and scratch rows of `2 * pairs` elements. */
typedef struct {
    const uint8_t *y, *u, *v;
    Py_ssize_t y_stride, u_stride, v_stride, y_step, chroma_step;
    Py_ssize_t width, height, rows_per_chroma;
    uint8_t *out;
    Py_ssize_t out_stride;
    uint8_t *first, *second, *third;
} Conversion;

INLINE uint8_t
level(int32_t value)
{
    value >>= 13;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* Each loop does one thing to whole rows: so the compiler makes vectors of all of them. */
INLINE void
gather(uint8_t *restrict row, const uint8_t *restrict plane, const Py_ssize_t step,
       const Py_ssize_t count)
{
    for (Py_ssize_t x = 0; x < count; x++) {
        row[x] = plane[x * step];
    }
}

INLINE void
gather_twice(uint8_t *restrict row, const uint8_t *restrict plane, const Py_ssize_t step,
             const Py_ssize_t pairs)
{
    for (Py_ssize_t i = 0; i < pairs; i++) {
        row[2 * i] = plane[i * step];
        row[2 * i + 1] = plane[i * step];
    }
}

/* The coefficients of edged/imaging/yuv.py, where their source stands. In place: Y, U and V in the
 * three rows become red, green and blue. */
INLINE void
convert_row(uint8_t *restrict first, uint8_t *restrict second, uint8_t *restrict third,
            const Py_ssize_t count)
{
    for (Py_ssize_t x = 0; x < count; x++) {
        const int32_t luma = (first[x] - 16) * 9539 + 4096;
        const int32_t blue = second[x] - 128, red = third[x] - 128;
        first[x] = level(luma + 13075 * red);
        second[x] = level(luma - 3209 * blue - 6660 * red);
        third[x] = level(luma + 16525 * blue);
    }
}

INLINE void
interleave(uint8_t *restrict out, const uint8_t *restrict first, const uint8_t *restrict second,
           const uint8_t *restrict third, const Py_ssize_t count)
{
    for (Py_ssize_t x = 0; x < count; x++) {
        out[3 * x] = first[x];
        out[3 * x + 1] = second[x];
        out[3 * x + 2] = third[x];
    }
}

/* The steps are constants where this inlines. */
INLINE void
convert_all(const Conversion *c, const Py_ssize_t y_step, const Py_ssize_t chroma_step)
{
    const Py_ssize_t pairs = (c->width + 1) / 2;
    for (Py_ssize_t row = 0; row < c->height; row++) {
        const Py_ssize_t chroma_row = row / c->rows_per_chroma;
        gather(c->first, c->y + row * c->y_stride, y_step, c->width);
        gather_twice(c->second, c->u + chroma_row * c->u_stride, chroma_step, pairs);
        gather_twice(c->third, c->v + chroma_row * c->v_stride, chroma_step, pairs);
        convert_row(c->first, c->second, c->third, c->width);
        interleave(c->out + row * c->out_stride, c->first, c->second, c->third, c->width);
    }
}

INLINE void
convert_layout(const Conversion *c)
{
    if (c->y_step == 2 && c->chroma_step == 4) {
        convert_all(c, 2, 4);
    } else if (c->y_step == 1 && c->chroma_step == 2) {
        convert_all(c, 1, 2);
    } else if (c->y_step == 1 && c->chroma_step == 1) {
        convert_all(c, 1, 1);
    } else {
        convert_all(c, c->y_step, c->chroma_step);
    }
}

static void
convert_any(const Conversion *c)
{
    convert_layout(c);
}

static int
prepare_conversion(Conversion *c, const Py_buffer *y, const Py_buffer *u, const Py_buffer *v,
                   const Py_buffer *out)
{
    const Py_buffer *planes[] = {y, u, v};
    for (int i = 0; i < 3; i++) {
        if (planes[i]->ndim != 2 || planes[i]->itemsize != 1) {
            PyErr_SetString(PyExc_ValueError, "planes must be uint8 of two dimensions");
            return 0;
        }
    }
    const Py_ssize_t height = y->shape[0], width = y->shape[1], rows = u->shape[0];
    if (height < 1 || width < 1 || u->shape[1] != (width + 1) / 2 || v->shape[1] != u->shape[1] ||
        v->shape[0] != rows || u->strides[1] != v->strides[1] ||
        (rows != height && rows != (height + 1) / 2)) {
        PyErr_SetString(PyExc_ValueError, "chroma planes do not fit the luma plane");
        return 0;
    }
    if (!is_picture(out) || out->shape[0] != height || out->shape[1] != width ||
        out->strides[1] != 3 || out->strides[2] != 1) {
        PyErr_SetString(PyExc_ValueError, "out must be uint8 of shape (height, width, 3) in rows");
        return 0;
    }
    *c = (Conversion){
        .y = y->buf,
        .u = u->buf,
        .v = v->buf,
        .y_stride = y->strides[0],
        .u_stride = u->strides[0],
        .v_stride = v->strides[0],
        .y_step = y->strides[1],
        .chroma_step = u->strides[1],
        .width = width,
        .height = height,
        .rows_per_chroma = rows == height ? 1 : 2,
        .out = out->buf,
        .out_stride = out->strides[0],
    };
    const size_t even = (size_t)(width + 1) / 2 * 2;
    c->first = malloc(3 * even);
    if (c->first == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    c->second = c->first + even;
    c->third = c->second + even;
    return 1;
}

PyObject *
kernels_yuv_to_rgb(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *objects[4];
    if (!PyArg_ParseTuple(args, "OOOO", &objects[0], &objects[1], &objects[2], &objects[3])) {
        return NULL;
    }
    Py_buffer views[4] = {{0}};
    Conversion c = {0};
    int ready = 1;
    for (int i = 0; ready && i < 4; i++) {
        const int flags = i < 3 ? PyBUF_STRIDED_RO : PyBUF_STRIDED;
        ready = PyObject_GetBuffer(objects[i], &views[i], flags) == 0;
    }
    ready = ready && prepare_conversion(&c, &views[0], &views[1], &views[2], &views[3]);
    if (ready) {
        Py_BEGIN_ALLOW_THREADS
        convert_any(&c);
        Py_END_ALLOW_THREADS
    }
    free(c.first);
    for (int i = 0; i < 4; i++) {
        PyBuffer_Release(&views[i]);
    }
    if (!ready) {
        return NULL;
    }
    Py_RETURN_NONE;
}
