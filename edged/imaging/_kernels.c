/* The extension module edged.imaging._kernels: the loops over every pixel of a frame. */

#include "_kernels.h"

static PyMethodDef methods[] = {
    {"resample", kernels_resample, METH_VARARGS,
     "resample(pixels, out, column_starts, column_weights, row_starts, row_weights, rows_first)"},
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
    return PyModule_Create(&kernels);
}
