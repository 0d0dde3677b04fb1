/* The extension module edged.imaging._kernels: the loops over every pixel of a frame,
 * and over every value of a map. */

#include "_kernels.h"

#include <string.h>

const Way *kernels_way = &way_any;

static const Way *
best_way(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") ? &way_avx2 : &way_any;
#elif defined(__aarch64__)
    return &way_neon;
#else
    return &way_any;
#endif
}

/* No kernel may run meanwhile; plans that are there keep their way. */
static PyObject *
use_vectors(PyObject *module, PyObject *args)
{
    (void)module;
    int wanted;
    if (!PyArg_ParseTuple(args, "p", &wanted)) {
        return NULL;
    }
    kernels_way = wanted ? best_way() : &way_any;
    return PyUnicode_FromString(kernels_way->name);
}

static PyMethodDef methods[] = {
    {"axis", kernels_axis, METH_VARARGS,
     "axis(size, count, low, high, bits, mirrored): starts (int32) and weights (int16) as bytes"},
    {"channel_sums", kernels_channel_sums, METH_VARARGS,
     "channel_sums(values, zero_point, out): of int8 or uint8, the last axis channels, as float32"},
    {"chroma_rows", kernels_chroma_rows, METH_VARARGS,
     "chroma_rows(starts, weights, height): those of rows that each serve two"},
    {"plan", kernels_plan, METH_VARARGS,
     "plan(shape, strides, out_shape, out_strides, column_starts, column_weights, row_starts, "
     "row_weights): for `resample`"},
    {"resample", kernels_resample, METH_VARARGS,
     "resample(source, out, plan): False, and nothing done, where the plan is for another form"},
    {"unit_roots", kernels_unit_roots, METH_O,
     "unit_roots(values): float32, in place, the signed roots divided by their length"},
    {"use_vectors", use_vectors, METH_VARARGS, "use_vectors(wanted): the name of what is in use"},
    {"yuv_plan", kernels_yuv_plan, METH_VARARGS,
     "yuv_plan(layout, size, stride, out_size, column_starts, column_weights, row_starts, "
     "row_weights, chroma_row_starts, chroma_row_weights): for `resample` of a frame's bytes"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef kernels = {
    PyModuleDef_HEAD_INIT, "_kernels", "Loops over every pixel or value.", 0, methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__kernels(void)
{
    kernels_way = best_way();
    return PyModule_Create(&kernels);
}
