/* Plans and pictures from Python, checked; the arithmetic is in _resample.c. */

#include "_kernels.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_AXES = 3 };

/* A resampling without its pictures: what can be kept from one frame of a camera to the next. */
typedef struct {
    Resampling r;
    Py_buffer starts[MOST_AXES], weights[MOST_AXES];
    Py_ssize_t shape[3], strides[3], out_shape[3], out_strides[3];
    Py_ssize_t data_bytes; /* of a frame of Y, U and V */
    ptrdiff_t *offsets;
    int16_t *pairs;
    uint8_t *scratch; /* NULL while a call uses it */
} Plan;

static const char plan_name[] = "edged.imaging._kernels.plan";

static void
free_plan(Plan *plan)
{
    free(plan->offsets);
    free(plan->pairs);
    free(plan->scratch);
    for (int i = 0; i < MOST_AXES; i++) {
        PyBuffer_Release(&plan->starts[i]);
        PyBuffer_Release(&plan->weights[i]);
    }
    free(plan);
}

static void
forget_plan(PyObject *capsule)
{
    free_plan(PyCapsule_GetPointer(capsule, plan_name));
}

/* The axis that two objects of Python have; their buffers become those numbered `number`. */
static int
read_axis(Plan *plan, Axis *axis, PyObject *const *objects, const int number,
          const Py_ssize_t count, const Py_ssize_t size, const int bits)
{
    Py_buffer *const starts = &plan->starts[number], *const weights = &plan->weights[number];
    if (PyObject_GetBuffer(objects[0], starts, PyBUF_SIMPLE) < 0 ||
        PyObject_GetBuffer(objects[1], weights, PyBUF_SIMPLE) < 0) {
        return 0;
    }
    const Py_ssize_t values = weights->len / (Py_ssize_t)sizeof(int16_t);
    axis->starts = starts->buf;
    axis->weights = weights->buf;
    axis->count = count;
    axis->taps = count > 0 ? values / count : 0;
    if (count < 1 || starts->len != count * (Py_ssize_t)sizeof(int32_t) || axis->taps < 1 ||
        weights->len != count * axis->taps * (Py_ssize_t)sizeof(int16_t)) {
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
        Py_ssize_t total = 0;
        int negative = 0;
        for (Py_ssize_t k = 0; k < axis->taps; k++) {
            const int16_t weight = axis->weights[i * axis->taps + k];
            total += weight;
            negative |= weight < 0;
        }
        if (negative || total != (Py_ssize_t)1 << bits) {
            PyErr_SetString(PyExc_ValueError, "the weights of an output do not add up to one");
            return 0;
        }
    }
    return 1;
}

static Py_ssize_t
rounded_up(const Py_ssize_t value, const Py_ssize_t step)
{
    return (value + step - 1) / step * step;
}

/* What the ways read of the columns, and the scratch; 0 with an error where memory is short. */
static int
lay_out(Plan *plan)
{
    Resampling *const r = &plan->r;
    const Axis *const columns = &r->columns;
    r->way = kernels_way;
    r->sums_stride = rounded_up(r->row_sums, 6 * PAIRS) + BEYOND;
    r->line_stride = rounded_up(3 * columns->count + BEYOND, SPAN);
    r->pair_count = (columns->taps + 1) / 2;
    plan->scratch = calloc(1, scratch_bytes(r));
    plan->offsets = calloc((size_t)columns->count, sizeof *plan->offsets);
    plan->pairs = calloc((size_t)(columns->count * r->pair_count), 2 * sizeof *plan->pairs);
    if (plan->scratch == NULL || plan->offsets == NULL || plan->pairs == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    r->same_width = r->step == 3 && columns->taps == 1;
    for (Py_ssize_t x = 0; x < columns->count; x++) {
        const Py_ssize_t place = columns->starts[x] - columns->lowest;
        r->same_width = r->same_width && place == x;
        plan->offsets[x] = place * r->step;
        memcpy(plan->pairs + 2 * r->pair_count * x, columns->weights + columns->taps * x,
               (size_t)columns->taps * sizeof *plan->pairs);
    }
    r->offsets = plan->offsets;
    r->pairs = plan->pairs;
    return 1;
}

static int
prepare(Plan *plan, PyObject *const *axes)
{
    const Py_ssize_t *const strides = plan->strides, *const out_strides = plan->out_strides;
    if ((strides[1] != 3 && strides[1] != 4) || strides[2] != 1) {
        PyErr_SetString(PyExc_ValueError, "pixels must be 3 or 4 bytes apart, channels 1");
        return 0;
    }
    if (plan->shape[2] != 3 || plan->out_shape[2] != 3) {
        PyErr_SetString(PyExc_ValueError, "a picture is of shape (height, width, 3)");
        return 0;
    }
    const Py_ssize_t width = plan->out_shape[1], height = plan->out_shape[0];
    Resampling *const r = &plan->r;
    Plane *const plane = &r->planes[0];
    if (!read_axis(plan, &r->columns, axes, 0, width, plan->shape[1], COLUMN_BITS) ||
        !read_axis(plan, &plane->rows, axes + 2, 1, height, plan->shape[0], ROW_BITS)) {
        return 0;
    }
    r->step = strides[1];
    /* Behind the last pixel of a picture lies nothing, also where the others have a fourth byte. */
    r->row_sums = (r->columns.end - r->columns.lowest - 1) * r->step + 3;
    plane->row_stride = strides[0];
    plane->row_bytes = r->row_sums;
    r->plane_count = 1;
    r->height = height;
    r->out_row_stride = out_strides[0];
    r->out_step = out_strides[1];
    r->out_channel_stride = out_strides[2];
    return lay_out(plan);
}

static PyObject *
capsule_of(Plan *plan, const int ready)
{
    PyObject *const capsule = ready ? PyCapsule_New(plan, plan_name, forget_plan) : NULL;
    if (capsule == NULL) {
        free_plan(plan);
    }
    return capsule;
}

PyObject *
kernels_plan(PyObject *module, PyObject *args)
{
    (void)module;
    Plan *const plan = calloc(1, sizeof *plan);
    if (plan == NULL) {
        return PyErr_NoMemory();
    }
    Py_ssize_t *const shape = plan->shape, *const strides = plan->strides;
    Py_ssize_t *const out_shape = plan->out_shape, *const out_strides = plan->out_strides;
    PyObject *axes[4];
    const int ready = PyArg_ParseTuple(
        args, "(nnn)(nnn)(nnn)(nnn)OOOO", &shape[0], &shape[1], &shape[2], &strides[0], &strides[1],
        &strides[2], &out_shape[0], &out_shape[1], &out_shape[2], &out_strides[0], &out_strides[1],
        &out_strides[2], &axes[0], &axes[1], &axes[2], &axes[3]);
    return capsule_of(plan, ready && prepare(plan, axes));
}

/* The planes of a layout, and how their sums lie in a row; 0 if there is none of that name. */
static int
lay_planes(Resampling *r, const char *layout, const Py_ssize_t stride)
{
    const Py_ssize_t pairs = r->yuv.pairs;
    const Py_ssize_t second = rounded_up(2 * pairs, 2 * PAIRS) + BEYOND;
    if (strcmp(layout, "YUYV") == 0) {
        r->planes[0].row_bytes = 4 * pairs;
        r->yuv = (Yuv){pairs, 2, 4, 1, 3};
        r->plane_count = 1;
    } else if (strcmp(layout, "NV12") == 0) {
        r->planes[1] = (Plane){.row_stride = stride, .row_bytes = 2 * pairs, .at = second};
        r->yuv = (Yuv){pairs, 1, 2, second, second + 1};
        r->plane_count = 2;
    } else if (strcmp(layout, "I420") == 0) {
        const Py_ssize_t third = second + rounded_up(pairs, 2 * PAIRS) + BEYOND;
        r->planes[1] = (Plane){.row_stride = stride / 2, .row_bytes = pairs, .at = second};
        r->planes[2] = (Plane){.row_stride = stride / 2, .row_bytes = pairs, .at = third};
        r->yuv = (Yuv){pairs, 1, 1, second, third};
        r->plane_count = 3;
    } else {
        PyErr_Format(PyExc_ValueError, "no such layout: %s", layout);
    }
    return r->plane_count;
}

static int
prepare_yuv(Plan *plan, const char *layout, const Py_ssize_t stride, PyObject *const *axes)
{
    enum { MOST_PX = 1 << 20 };
    const Py_ssize_t height = plan->shape[0], width = plan->shape[1];
    const Py_ssize_t out_height = plan->out_shape[0], out_width = plan->out_shape[1];
    if (height < 1 || width < 1 || stride < 1 || height > MOST_PX || stride > 4 * MOST_PX) {
        PyErr_SetString(PyExc_ValueError, "no size of a frame");
        return 0;
    }
    Resampling *const r = &plan->r;
    r->yuv.pairs = (width + 1) / 2;
    r->planes[0] = (Plane){.row_stride = stride, .row_bytes = width};
    if (!lay_planes(r, layout, stride) ||
        !read_axis(plan, &r->columns, axes, 0, out_width, width, COLUMN_BITS) ||
        !read_axis(plan, &r->planes[0].rows, axes + 2, 1, out_height, height, ROW_BITS)) {
        return 0;
    }
    Axis chroma_rows;
    const Py_ssize_t chroma_height = (height + 1) / 2;
    if (!read_axis(plan, &chroma_rows, axes + 4, 2, out_height, chroma_height, ROW_BITS)) {
        return 0;
    }
    for (int i = 0; i < r->plane_count; i++) {
        Plane *const plane = &r->planes[i];
        if (plane->row_bytes > plane->row_stride) {
            PyErr_SetString(PyExc_ValueError, "rows are longer than the stride");
            return 0;
        }
        plan->data_bytes += plane->row_stride * (i == 0 ? height : chroma_height);
        if (i > 0) {
            plane->rows = chroma_rows;
        }
    }
    r->yuv_stride = rounded_up(6 * r->yuv.pairs, 6 * PAIRS) + 4 * (BEYOND + SPAN);
    r->columns.lowest = 0;
    r->step = 3;
    r->row_sums = 6 * r->yuv.pairs;
    r->height = out_height;
    plan->out_shape[2] = 3;
    r->out_row_stride = plan->out_strides[0] = 3 * out_width;
    r->out_step = plan->out_strides[1] = 3;
    r->out_channel_stride = plan->out_strides[2] = 1;
    return lay_out(plan);
}

PyObject *
kernels_yuv_plan(PyObject *module, PyObject *args)
{
    (void)module;
    Plan *const plan = calloc(1, sizeof *plan);
    if (plan == NULL) {
        return PyErr_NoMemory();
    }
    const char *layout;
    Py_ssize_t stride;
    PyObject *axes[6];
    const int ready =
        PyArg_ParseTuple(args, "s(nn)n(nn)OOOOOO", &layout, &plan->shape[0], &plan->shape[1],
                         &stride, &plan->out_shape[0], &plan->out_shape[1], &axes[0], &axes[1],
                         &axes[2], &axes[3], &axes[4], &axes[5]);
    return capsule_of(plan, ready && prepare_yuv(plan, layout, stride, axes));
}

static int
fits(const Py_buffer *view, const Py_ssize_t *shape, const Py_ssize_t *strides)
{
    int same = view->ndim == 3 && strcmp(view->format, "B") == 0;
    for (int i = 0; same && i < 3; i++) {
        /* Where there is one item, its distance to the next means nothing, and may be anything. */
        same = view->shape[i] == shape[i] && (shape[i] == 1 || view->strides[i] == strides[i]);
    }
    return same;
}

static int
fits_source(const Plan *plan, const Py_buffer *source)
{
    if (plan->data_bytes > 0) {
        return PyBuffer_IsContiguous(source, 'C') && source->len >= plan->data_bytes;
    }
    return fits(source, plan->shape, plan->strides);
}

static void
set_source(const Plan *plan, Resampling *r, const uint8_t *source)
{
    if (plan->data_bytes == 0) {
        r->planes[0].start = source + r->columns.lowest * r->step;
        return;
    }
    const Py_ssize_t chroma_height = (plan->shape[0] + 1) / 2;
    for (int i = 0; i < r->plane_count; i++) {
        r->planes[i].start = source;
        source += r->planes[i].row_stride * (i == 0 ? plan->shape[0] : chroma_height);
    }
}

/* 0 where memory is short. */
static int
run(Plan *plan, const Py_buffer *source, const Py_buffer *out)
{
    /* With the GIL held, only one call gets the scratch of the plan; another that runs meanwhile
     * has its own, and the plan keeps what comes back first. */
    uint8_t *scratch = plan->scratch;
    plan->scratch = NULL;
    if (scratch == NULL) {
        scratch = calloc(1, scratch_bytes(&plan->r));
    }
    if (scratch == NULL) {
        return 0;
    }
    Resampling r = plan->r;
    set_source(plan, &r, source->buf);
    r.out = out->buf;
    Py_BEGIN_ALLOW_THREADS
    resample(&r, scratch);
    Py_END_ALLOW_THREADS
    if (plan->scratch == NULL) {
        plan->scratch = scratch;
    } else {
        free(scratch);
    }
    return 1;
}

PyObject *
kernels_resample(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *source_object, *out_object, *capsule;
    if (!PyArg_ParseTuple(args, "OOO", &source_object, &out_object, &capsule)) {
        return NULL;
    }
    Plan *const plan = PyCapsule_GetPointer(capsule, plan_name);
    if (plan == NULL) {
        return NULL;
    }
    Py_buffer source = {0}, out = {0};
    int ready = PyObject_GetBuffer(source_object, &source, PyBUF_STRIDED_RO | PyBUF_FORMAT) == 0 &&
                PyObject_GetBuffer(out_object, &out, PyBUF_STRIDED | PyBUF_FORMAT) == 0;
    const int serves = ready && fits_source(plan, &source) &&
                       fits(&out, plan->out_shape, plan->out_strides);
    if (serves && !run(plan, &source, &out)) {
        PyErr_NoMemory();
        ready = 0;
    }
    PyBuffer_Release(&out);
    PyBuffer_Release(&source);
    return ready ? PyBool_FromLong(serves) : NULL;
}
