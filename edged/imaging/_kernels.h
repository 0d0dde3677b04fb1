/* What the loops over every pixel share.
 *
 * Plain C11 with the vector types of GCC and Clang, so one text serves SSE2, AVX2 and NEON.
 * Everything that comes from Python is checked here against the buffers that it indexes: no
 * arguments can make these functions read or write outside of them. The GIL is free while they run.
 */

#ifndef EDGED_KERNELS_H
#define EDGED_KERNELS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define INLINE static inline __attribute__((always_inline))

/* On x86-64 each loop is compiled for any processor and for those with AVX2 and FMA, and one of
 * them for those with AVX-512 VBMI and VNNI too. */
enum { VECTORS_ANY, VECTORS_AVX2, VECTORS_VNNI };
extern int kernels_vectors;

#if defined(__x86_64__)
#define AVX2 __attribute__((target("avx2,fma")))
#define RUN(loop, arguments)                                                  \
    (kernels_vectors >= VECTORS_AVX2 ? loop##_avx2(arguments) : loop##_any(arguments))
#else
#define RUN(loop, arguments) loop##_any(arguments)
#endif

/* The methods of the module. */
PyObject *kernels_plan(PyObject *module, PyObject *args);
PyObject *kernels_resample(PyObject *module, PyObject *args);
PyObject *kernels_yuv_to_rgb(PyObject *module, PyObject *args);

static inline int
is_picture(const Py_buffer *view)
{
    return view->ndim == 3 && view->itemsize == 1 && view->shape[2] == 3;
}

#endif
