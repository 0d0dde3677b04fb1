/* Plans and pictures from Python, checked; the arithmetic is in _resample.c. */

#include "_kernels.h"

#include <stdlib.h>
#include <string.h>

/* A resampling without its pictures: what can be kept from one frame of a camera to the next. */
typedef struct {
    Resampling r;
    Py_buffer axes[4];
    Py_ssize_t shape[3], strides[3], out_shape[3], out_strides[3];
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
    for (int i = 0; i < 4; i++) {
        PyBuffer_Release(&plan->axes[i]);
    }
    free(plan);
}

static void
forget_plan(PyObject *capsule)
{
    free_plan(PyCapsule_GetPointer(capsule, plan_name));
}

static int
read_axis(Axis *axis, const Py_buffer *starts, const Py_buffer *weights, const Py_ssize_t count,
          const Py_ssize_t size, const int bits)
{
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

/* What the ways read of the columns; 0 where memory is short. */
static int
spread_columns(Plan *plan)
{
    Resampling *const r = &plan->r;
    const Axis *const columns = &r->columns;
    r->pair_count = (columns->taps + 1) / 2;
    plan->offsets = calloc((size_t)columns->count, sizeof *plan->offsets);
    plan->pairs = calloc((size_t)(columns->count * r->pair_count), 2 * sizeof *plan->pairs);
    if (plan->offsets == NULL || plan->pairs == NULL) {
        return 0;
    }
    for (Py_ssize_t x = 0; x < columns->count; x++) {
        plan->offsets[x] = (columns->starts[x] - columns->lowest) * r->step;
        memcpy(plan->pairs + 2 * r->pair_count * x, columns->weights + columns->taps * x,
               (size_t)columns->taps * sizeof *plan->pairs);
    }
    r->offsets = plan->offsets;
    r->pairs = plan->pairs;
    return 1;
}

static int
prepare(Plan *plan)
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
    Resampling *const r = &plan->r;
    *r = (Resampling){
        .way = kernels_way,
        .row_stride = strides[0],
        .step = strides[1],
        .out_row_stride = out_strides[0],
        .out_step = out_strides[1],
        .out_channel_stride = out_strides[2],
    };
    Axis *const columns = &r->columns;
    const Py_buffer *const axes = plan->axes;
    if (!read_axis(columns, &axes[0], &axes[1], plan->out_shape[1], plan->shape[1], COLUMN_BITS) ||
        !read_axis(&r->rows, &axes[2], &axes[3], plan->out_shape[0], plan->shape[0], ROW_BITS)) {
        return 0;
    }
    /* Behind the last pixel of a picture lies nothing, also where the others have a fourth byte. */
    r->row_bytes = (columns->end - columns->lowest - 1) * r->step + 3;
    r->sums_stride = rounded_up(r->row_bytes + BEYOND, SPAN);
    r->line_stride = rounded_up(3 * columns->count + BEYOND, SPAN);
    plan->scratch = calloc(1, scratch_bytes(r));
    if (plan->scratch == NULL || !spread_columns(plan)) {
        PyErr_NoMemory();
        return 0;
    }
    return 1;
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
    int ready = PyArg_ParseTuple(
        args, "(nnn)(nnn)(nnn)(nnn)OOOO", &shape[0], &shape[1], &shape[2], &strides[0], &strides[1],
        &strides[2], &out_shape[0], &out_shape[1], &out_shape[2], &out_strides[0], &out_strides[1],
        &out_strides[2], &axes[0], &axes[1], &axes[2], &axes[3]);
    for (int i = 0; ready && i < 4; i++) {
        ready = PyObject_GetBuffer(axes[i], &plan->axes[i], PyBUF_SIMPLE) == 0;
    }
    ready = ready && prepare(plan);
    PyObject *const capsule = ready ? PyCapsule_New(plan, plan_name, forget_plan) : NULL;
    if (capsule == NULL) {
        free_plan(plan);
    }
    return capsule;
}

static int
fits(const Py_buffer *view, const Py_ssize_t *shape, const Py_ssize_t *strides)
{
    int same = is_picture(view) && strcmp(view->format, "B") == 0;
    for (int i = 0; same && i < 3; i++) {
        /* Where there is one item, its distance to the next means nothing, and may be anything. */
        same = view->shape[i] == shape[i] && (shape[i] == 1 || view->strides[i] == strides[i]);
    }
    return same;
}

/* 0 where memory is short. */
static int
run(Plan *plan, const Py_buffer *pixels, const Py_buffer *out)
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
    r.pixels = (const uint8_t *)pixels->buf + r.columns.lowest * r.step;
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
    PyObject *pixels_object, *out_object, *capsule;
    if (!PyArg_ParseTuple(args, "OOO", &pixels_object, &out_object, &capsule)) {
        return NULL;
    }
    Plan *const plan = PyCapsule_GetPointer(capsule, plan_name);
    if (plan == NULL) {
        return NULL;
    }
    Py_buffer pixels = {0}, out = {0};
    int ready = PyObject_GetBuffer(pixels_object, &pixels, PyBUF_STRIDED_RO | PyBUF_FORMAT) == 0 &&
                PyObject_GetBuffer(out_object, &out, PyBUF_STRIDED | PyBUF_FORMAT) == 0;
    const int serves = ready && fits(&pixels, plan->shape, plan->strides) &&
                       fits(&out, plan->out_shape, plan->out_strides);
    if (serves && !run(plan, &pixels, &out)) {
        PyErr_NoMemory();
        ready = 0;
    }
    PyBuffer_Release(&out);
    PyBuffer_Release(&pixels);
    return ready ? PyBool_FromLong(serves) : NULL;
}
