/* The extension module edged.imaging._kernels: the loops over every pixel of a frame. */

#include "_kernels.h"

#include <string.h>

int kernels_vectors = VECTORS_ANY;

static const char *const vector_names[] = {"any", "avx2", "vnni"};

static int
best_vectors(void)
{
#if defined(__x86_64__)
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
        return VECTORS_ANY;
    }
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni")) {
        return VECTORS_VNNI;
    }
    return VECTORS_AVX2;
#else
    return VECTORS_ANY;
#endif
}

/* No kernel may run meanwhile. */
static PyObject *
use_vectors(PyObject *module, PyObject *args)
{
    (void)module;
    const char *name;
    if (!PyArg_ParseTuple(args, "s", &name)) {
        return NULL;
    }
    for (int wanted = VECTORS_ANY; wanted <= VECTORS_VNNI; wanted++) {
        if (strcmp(name, vector_names[wanted]) == 0) {
            const int best = best_vectors();
            kernels_vectors = wanted < best ? wanted : best;
            return PyUnicode_FromString(vector_names[kernels_vectors]);
        }
    }
    PyErr_Format(PyExc_ValueError, "no such vectors: %s", name);
    return NULL;
}

static PyMethodDef methods[] = {
    {"plan", kernels_plan, METH_VARARGS,
     "plan(shape, strides, out_shape, out_strides, column_starts, column_weights, row_starts, "
     "row_weights, rows_first): for `resample`"},
    {"resample", kernels_resample, METH_VARARGS,
     "resample(pixels, out, plan): False, and nothing done, where the plan is for another form"},
    {"use_vectors", use_vectors, METH_VARARGS, "use_vectors(name): none wider; which are in use"},
    {"yuv_to_rgb", kernels_yuv_to_rgb, METH_VARARGS, "yuv_to_rgb(y, u, v, out)"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef kernels = {
    PyModuleDef_HEAD_INIT, "_kernels", "Loops over every pixel of a frame.", 0, methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__kernels(void)
{
    kernels_vectors = best_vectors();
    return PyModule_Create(&kernels);
}
