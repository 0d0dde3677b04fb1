/* What the loops over every pixel share with Python.
 *
 * Everything that comes from Python is checked against the buffers that it indexes: no arguments
 * can make these functions read or write outside of them. The GIL is free while
 * those run that take a whole frame.
 */

#ifndef EDGED_KERNELS_H
#define EDGED_KERNELS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "_resample.h"

/* The way that the next plans take. */
extern const Way *kernels_way;

/* The methods of the module. */
PyObject *kernels_axis(PyObject *module, PyObject *args);
PyObject *kernels_channel_sums(PyObject *module, PyObject *args);
PyObject *kernels_chroma_rows(PyObject *module, PyObject *args);
PyObject *kernels_plan(PyObject *module, PyObject *args);
PyObject *kernels_yuv_plan(PyObject *module, PyObject *args);
PyObject *kernels_resample(PyObject *module, PyObject *args);
PyObject *kernels_unit_roots(PyObject *module, PyObject *target);

#endif
