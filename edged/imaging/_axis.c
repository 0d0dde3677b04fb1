/* The filter's windows along one axis, as resample.py describes it. */

#include "_kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_WEIGHTS = 1 << 26 };

/* Where the filter around an output begins and ends, and the inputs of its window: `taps` for each
 * output, so that near the end the window begins earlier than the filter. */
typedef struct {
    Py_ssize_t size, count, taps;
    double first, scale, reach;
} Filter;

static double
centre_of(const Filter *f, const Py_ssize_t output)
{
    return f->first + ((double)output + 0.5) * f->scale;
}

static Py_ssize_t
begin_of(const Filter *f, const Py_ssize_t output)
{
    const Py_ssize_t begin = (Py_ssize_t)(centre_of(f, output) - f->reach + 0.5);
    return begin > 0 ? begin : 0;
}

static Py_ssize_t
end_of(const Filter *f, const Py_ssize_t output)
{
    const Py_ssize_t end = (Py_ssize_t)(centre_of(f, output) + f->reach + 0.5);
    return end < f->size ? end : f->size;
}

static Py_ssize_t
window_of(const Filter *f, const Py_ssize_t output)
{
    const Py_ssize_t begin = begin_of(f, output), last = f->size - f->taps;
    return begin < last ? begin : last;
}

/* The weights of one output, in units; `sums` has room for as many doubles. */
static void
weigh(const Filter *f, const Py_ssize_t output, const int bits, double *sums, int16_t *units)
{
    const Py_ssize_t begin = begin_of(f, output), end = end_of(f, output);
    const Py_ssize_t window = window_of(f, output);
    const double centre = centre_of(f, output);
    double sum = 0.0;
    for (Py_ssize_t k = 0; k < f->taps; k++) {
        const Py_ssize_t input = window + k;
        const double distance = fabs(((double)input - centre + 0.5) * (1.0 / f->reach));
        if (input >= begin && input < end && distance < 1.0) {
            sum += 1.0 - distance;
        }
        sums[k] = sum;
    }
    /* The running sum is rounded, so that the units of an output add up to 2^bits. */
    double before = 0.0;
    for (Py_ssize_t k = 0; k < f->taps; k++) {
        const double rounded = rint(sums[k] / sum * (double)(1 << bits));
        units[k] = (int16_t)(rounded - before);
        before = rounded;
    }
}

static Py_ssize_t
leading_zeros(const int16_t *units)
{
    Py_ssize_t count = 0;
    while (units[count] == 0) {
        count++;
    }
    return count;
}

static Py_ssize_t
used_of(const int16_t *units, Py_ssize_t taps)
{
    while (units[taps - 1] == 0) {
        taps--;
    }
    return taps - leading_zeros(units);
}

/* Starts and weights as Python keeps them, without the zeros at both ends, as far as every output
 * has them. */
static PyObject *
packed(const Filter *f, const int16_t *units, const int mirrored)
{
    Py_ssize_t kept = 1;
    for (Py_ssize_t i = 0; i < f->count; i++) {
        const Py_ssize_t used = used_of(units + i * f->taps, f->taps);
        kept = used > kept ? used : kept;
    }
    const Py_ssize_t starts_bytes = f->count * (Py_ssize_t)sizeof(int32_t);
    const Py_ssize_t weights_bytes = f->count * kept * (Py_ssize_t)sizeof(int16_t);
    PyObject *const starts = PyBytes_FromStringAndSize(NULL, starts_bytes);
    PyObject *const weights = PyBytes_FromStringAndSize(NULL, weights_bytes);
    if (starts == NULL || weights == NULL) {
        Py_XDECREF(starts);
        Py_XDECREF(weights);
        return NULL;
    }
    int32_t *const to_starts = (int32_t *)PyBytes_AS_STRING(starts);
    int16_t *const to_weights = (int16_t *)PyBytes_AS_STRING(weights);
    memset(to_weights, 0, (size_t)weights_bytes);
    for (Py_ssize_t i = 0; i < f->count; i++) {
        const int16_t *const from = units + i * f->taps;
        const Py_ssize_t window = window_of(f, i), last = f->size - kept;
        const Py_ssize_t leading = window + leading_zeros(from);
        const Py_ssize_t start = leading < last ? leading : last;
        to_starts[i] = (int32_t)(mirrored ? last - start : start);
        for (Py_ssize_t k = 0; k < kept && start - window + k < f->taps; k++) {
            to_weights[i * kept + (mirrored ? kept - 1 - k : k)] = from[start - window + k];
        }
    }
    return Py_BuildValue("(NN)", starts, weights);
}

PyObject *
kernels_axis(PyObject *module, PyObject *args)
{
    (void)module;
    /* Like Pillow, whose box is in 32-bit floats, except for the rounding of the weights. */
    float low, high;
    int bits, mirrored;
    Filter f = {0};
    if (!PyArg_ParseTuple(args, "nnffip", &f.size, &f.count, &low, &high, &bits, &mirrored)) {
        return NULL;
    }
    if (f.size < 1 || f.size > INT32_MAX || f.count < 1 || f.count > MOST_WEIGHTS || bits < 1 ||
        bits > COLUMN_BITS || !(low >= 0 && low < high && (double)high <= (double)f.size)) {
        PyErr_SetString(PyExc_ValueError, "no part of an axis");
        return NULL;
    }
    f.first = (double)low;
    f.scale = (double)(high - low) / (double)f.count;
    f.reach = f.scale > 1.0 ? f.scale : 1.0;
    for (Py_ssize_t i = 0; i < f.count; i++) {
        const Py_ssize_t taps = end_of(&f, i) - begin_of(&f, i);
        f.taps = taps > f.taps ? taps : f.taps;
    }
    if (f.taps < 1 || f.taps > MOST_WEIGHTS / f.count) {
        PyErr_SetString(PyExc_ValueError, "too many weights");
        return NULL;
    }
    double *const sums = malloc((size_t)f.taps * sizeof *sums);
    int16_t *const units = malloc((size_t)(f.count * f.taps) * sizeof *units);
    PyObject *axis = NULL;
    if (sums == NULL || units == NULL) {
        PyErr_NoMemory();
    } else {
        for (Py_ssize_t i = 0; i < f.count; i++) {
            weigh(&f, i, bits, sums, units + i * f.taps);
        }
        axis = packed(&f, units, mirrored);
    }
    free(sums);
    free(units);
    return axis;
}

/* Of each output `taps` rows of luma, from a start; each row of chroma serves two of them. */
static void
halve(const int32_t *starts, const int16_t *weights, const Py_ssize_t count, const Py_ssize_t taps,
      const Py_ssize_t height, const Py_ssize_t pairs, int32_t *to_starts, int16_t *to_weights)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        const Py_ssize_t half = starts[i] / 2, last = height - pairs;
        const Py_ssize_t start = half < last ? half : last;
        to_starts[i] = (int32_t)start;
        for (Py_ssize_t k = 0; k < taps; k++) {
            const Py_ssize_t place = (starts[i] + k) / 2 - start;
            if (place >= 0 && place < pairs) {
                int16_t *const to = &to_weights[i * pairs + place];
                *to = (int16_t)(*to + weights[i * taps + k]);
            }
        }
    }
}

PyObject *
kernels_chroma_rows(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer starts, weights;
    Py_ssize_t height;
    if (!PyArg_ParseTuple(args, "y*y*n", &starts, &weights, &height)) {
        return NULL;
    }
    const Py_ssize_t count = starts.len / (Py_ssize_t)sizeof(int32_t);
    const Py_ssize_t values = weights.len / (Py_ssize_t)sizeof(int16_t);
    const Py_ssize_t taps = count > 0 ? values / count : 0;
    PyObject *rows = NULL;
    if (taps < 1 || height < 1) {
        PyErr_SetString(PyExc_ValueError, "no rows");
    } else {
        const Py_ssize_t pairs = taps / 2 + 1 < height ? taps / 2 + 1 : height;
        const Py_ssize_t bytes = count * pairs * (Py_ssize_t)sizeof(int16_t);
        PyObject *const to_starts =
            PyBytes_FromStringAndSize(NULL, count * (Py_ssize_t)sizeof(int32_t));
        PyObject *const to_weights = PyBytes_FromStringAndSize(NULL, bytes);
        if (to_starts != NULL && to_weights != NULL) {
            int16_t *const to = (int16_t *)PyBytes_AS_STRING(to_weights);
            memset(to, 0, (size_t)bytes);
            halve(starts.buf, weights.buf, count, taps, height, pairs,
                  (int32_t *)PyBytes_AS_STRING(to_starts), to);
            rows = Py_BuildValue("(NN)", to_starts, to_weights);
        } else {
            Py_XDECREF(to_starts);
            Py_XDECREF(to_weights);
        }
    }
    PyBuffer_Release(&weights);
    PyBuffer_Release(&starts);
    return rows;
}
