/* What taught labels read of a map: the sums of its channels, and roots of unit length.
 *
 * Both take a microsecond or two, for which the GIL is not given away: to get it back may take
 * longer. */

#include "_kernels.h"

#include <math.h>
#include <string.h>

/* So many channels of 16-bit sums stay in the processor's registers. */
enum { TILE = 64, MOST_ROWS = 128 };

/* An argument's buffer of contiguous values of one of these formats. */
static int
read_values(PyObject *object, Py_buffer *view, const char *formats, const int flags)
{
    if (PyObject_GetBuffer(object, view, flags | PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) < 0) {
        return 0;
    }
    if (view->format == NULL || view->format[0] == '\0' || view->format[1] != '\0' ||
        strchr(formats, view->format[0]) == NULL) {
        PyBuffer_Release(view);
        PyErr_SetString(PyExc_TypeError, "the values are of another type");
        return 0;
    }
    return 1;
}

/* The sums of `columns` channels over `rows` rows, 128 at most, whose channels are `stride` apart.
 * For uint8, 128 was taken from each value by flipping its highest bit. */
static void
tile_sums(const uint8_t *values, const Py_ssize_t rows, const Py_ssize_t stride,
          const Py_ssize_t columns, const uint8_t flip, int16_t *const sums)
{
    for (Py_ssize_t x = 0; x < columns; x++) {
        sums[x] = 0;
    }
    for (Py_ssize_t y = 0; y < rows; y++, values += stride) {
        for (Py_ssize_t x = 0; x < columns; x++) {
            sums[x] = (int16_t)(sums[x] + (int8_t)(values[x] ^ flip));
        }
    }
}

PyObject *
kernels_channel_sums(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *source, *target;
    int zero_point;
    Py_buffer in, out;
    if (!PyArg_ParseTuple(args, "OiO", &source, &zero_point, &target) ||
        !read_values(source, &in, "bB", 0)) {
        return NULL;
    }
    if (!read_values(target, &out, "f", PyBUF_WRITABLE)) {
        PyBuffer_Release(&in);
        return NULL;
    }
    const Py_ssize_t channels = out.len / (Py_ssize_t)sizeof(float);
    const Py_ssize_t rows = channels > 0 ? in.len / channels : 0;
    const int fits = channels > 0 && in.len == rows * channels && rows < (1 << 16) &&
                     zero_point >= -128 && zero_point <= 255;
    if (fits) {
        const uint8_t flip = in.format[0] == 'B' ? 0x80 : 0;
        const int less = zero_point - (flip ? 128 : 0);
        float *const sums = out.buf;
        for (Py_ssize_t x = 0; x < channels; x += TILE) {
            const Py_ssize_t columns = channels - x < TILE ? channels - x : TILE;
            int32_t total[TILE] = {0};
            for (Py_ssize_t y = 0; y < rows; y += MOST_ROWS) {
                const uint8_t *const values = (const uint8_t *)in.buf + y * channels + x;
                const Py_ssize_t count = rows - y < MOST_ROWS ? rows - y : MOST_ROWS;
                int16_t part[TILE];
                if (columns == TILE) {
                    tile_sums(values, count, channels, TILE, flip, part);
                } else {
                    tile_sums(values, count, channels, columns, flip, part);
                }
                for (Py_ssize_t i = 0; i < columns; i++) {
                    total[i] += part[i];
                }
            }
            for (Py_ssize_t i = 0; i < columns; i++) {
                sums[x + i] = (float)(total[i] - (int32_t)rows * less);
            }
        }
    } else {
        PyErr_SetString(PyExc_ValueError, "the values do not fit the channels");
    }
    PyBuffer_Release(&in);
    PyBuffer_Release(&out);
    if (!fits) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyObject *
kernels_unit_roots(PyObject *module, PyObject *target)
{
    (void)module;
    enum { LANES = 8 };
    Py_buffer view;
    if (!read_values(target, &view, "f", PyBUF_WRITABLE)) {
        return NULL;
    }
    float *const values = view.buf;
    const Py_ssize_t count = view.len / (Py_ssize_t)sizeof(float);
    const Py_ssize_t whole = count - count % LANES;
    float lanes[LANES] = {0}, total = 0;
    for (Py_ssize_t i = 0; i < whole; i += LANES) {
        for (int lane = 0; lane < LANES; lane++) {
            lanes[lane] += fabsf(values[i + lane]);
        }
    }
    for (int lane = 0; lane < LANES; lane++) {
        total += lanes[lane];
    }
    for (Py_ssize_t i = whole; i < count; i++) {
        total += fabsf(values[i]);
    }
    /* The sum of the values is the squared length of their roots. */
    const float share = total != 0 ? 1 / total : 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        values[i] = copysignf(sqrtf(fabsf(values[i]) * share), values[i]);
    }
    PyBuffer_Release(&view);
    Py_RETURN_NONE;
}
