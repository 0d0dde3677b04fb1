/* The extension module edged._scores: the loops over every score of a frame, for which
 * edged/perception/filter.py says what they compute.
 *
 * There is little to compute. But after an invoke nothing of Python and numpy is in the caches of
 * the processor, and a dozen calls of numpy take as long as half of the resize. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <math.h>
#include <stdint.h>

typedef struct {
    Py_ssize_t itemsize;
    int writable;
} Kind;

static void
release(Py_buffer *views, const Py_ssize_t count)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        PyBuffer_Release(&views[i]);
    }
}

/* The buffers of `count` arguments; 0 with a Python error set where one has not its kind. */
static int
get_buffers(Py_buffer *views, PyObject *const *objects, const Kind *kinds, const Py_ssize_t count)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        const int flags = kinds[i].writable ? PyBUF_WRITABLE : PyBUF_SIMPLE;
        if (PyObject_GetBuffer(objects[i], &views[i], flags) < 0) {
            release(views, i);
            return 0;
        }
        if (views[i].itemsize != kinds[i].itemsize) {
            PyErr_Format(PyExc_ValueError, "argument %zd has items of a wrong size", i);
            release(views, i + 1);
            return 0;
        }
    }
    return 1;
}

static Py_ssize_t
items(const Py_buffer *view)
{
    return view->len / view->itemsize;
}

/* look_up(table, levels, scores) */
static PyObject *
look_up(PyObject *module, PyObject *const *args, const Py_ssize_t count)
{
    (void)module;
    static const Kind kinds[] = {{4, 0}, {1, 0}, {4, 1}};
    Py_buffer views[3];
    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "look_up(table, levels, scores)");
        return NULL;
    }
    if (!get_buffers(views, args, kinds, count)) {
        return NULL;
    }
    const float *const table = views[0].buf;
    const uint8_t *const levels = views[1].buf;
    float *const scores = views[2].buf;
    const Py_ssize_t length = views[1].len;
    const int fits = items(&views[0]) == 256 && items(&views[2]) == length;
    for (Py_ssize_t i = 0; fits && i < length; i++) {
        scores[i] = table[levels[i]];
    }
    release(views, count);
    if (!fits) {
        PyErr_SetString(PyExc_ValueError, "a table of 256, and as many scores as levels");
        return NULL;
    }
    Py_RETURN_NONE;
}

/* How far the filter goes towards a score that holds for `held_s`. */
static double
gain_of(const double rate, const double held_s)
{
    if (held_s > 0.0) {
        return -expm1(-held_s * rate);
    }
    return isinf(rate) ? 1.0 : 0.0;
}

typedef struct {
    const float *scores;
    float *classes;
    Py_ssize_t class_count;
    const int32_t *members, *ends;
    const uint8_t *sums, *unset, *wish;
    const double *rates, *threshold, *before;
    float *raw;
    double *score;
    Py_ssize_t rule_count;
} Following;

/* The best class of the filtered ones. */
static Py_ssize_t
follow_classes(const Following *f, const float gain)
{
    Py_ssize_t best = 0;
    for (Py_ssize_t i = 0; i < f->class_count; i++) {
        f->classes[i] += (f->scores[i] - f->classes[i]) * gain;
    }
    for (Py_ssize_t i = 1; i < f->class_count; i++) {
        best = f->classes[i] > f->classes[best] ? i : best;
    }
    return best;
}

/* Whether the wish of a rule turns. */
static int
follow_rules(const Following *f, const double held_s)
{
    int turned = 0;
    double rate = -1.0, gain = 0.0; /* mostly one for all rules */
    for (Py_ssize_t i = 0; i < f->rule_count; i++) {
        float raw = 0.0f;
        for (Py_ssize_t k = i > 0 ? f->ends[i - 1] : 0; k < f->ends[i]; k++) {
            const float score = f->scores[f->members[k]];
            raw = f->sums[i] ? raw + score : score > raw ? score : raw;
        }
        f->raw[i] = raw = raw < 1.0f ? raw : 1.0f;
        if (f->rates[i] != rate) {
            rate = f->rates[i];
            gain = gain_of(rate, held_s);
        }
        f->score[i] = f->before[i] + (raw - f->before[i]) * (f->unset[i] ? 1.0 : gain);
        turned |= (f->score[i] >= f->threshold[i]) != f->wish[i];
    }
    return turned;
}

static int
is_sound(const Following *f, const Py_ssize_t member_count)
{
    Py_ssize_t last = 0;
    for (Py_ssize_t i = 0; i < f->rule_count; i++) {
        if (f->ends[i] < last || f->ends[i] > member_count) {
            return 0;
        }
        last = f->ends[i];
    }
    for (Py_ssize_t k = 0; k < last; k++) {
        if (f->members[k] < 0 || f->members[k] >= f->class_count) {
            return 0;
        }
    }
    return 1;
}

/* follow(class_gain, held_s, scores, classes, members, ends, sums, rates, unset, threshold, wish,
 *        before, raw, score) -> (best class, whether a wish turns) */
static PyObject *
follow(PyObject *module, PyObject *const *args, const Py_ssize_t count)
{
    (void)module;
    static const Kind kinds[] = {{4, 0}, {4, 1}, {4, 0}, {4, 0}, {1, 0}, {8, 0},
                                 {1, 0}, {8, 0}, {1, 0}, {8, 0}, {4, 1}, {8, 1}};
    enum { NUMBERS = 2, BUFFERS = sizeof kinds / sizeof kinds[0] };
    if (count != NUMBERS + BUFFERS) {
        PyErr_SetString(PyExc_TypeError, "follow takes two numbers and twelve buffers");
        return NULL;
    }
    const double gain = PyFloat_AsDouble(args[0]), held_s = PyFloat_AsDouble(args[1]);
    Py_buffer views[BUFFERS];
    if (PyErr_Occurred() || !get_buffers(views, args + NUMBERS, kinds, BUFFERS)) {
        return NULL;
    }
    const Following f = {
        .scores = views[0].buf,
        .classes = views[1].buf,
        .class_count = items(&views[1]),
        .members = views[2].buf,
        .ends = views[3].buf,
        .sums = views[4].buf,
        .rates = views[5].buf,
        .unset = views[6].buf,
        .threshold = views[7].buf,
        .wish = views[8].buf,
        .before = views[9].buf,
        .raw = views[10].buf,
        .score = views[11].buf,
        .rule_count = items(&views[3]),
    };
    int fits = items(&views[0]) == f.class_count;
    for (int i = 4; i < BUFFERS; i++) {
        fits = fits && items(&views[i]) == f.rule_count;
    }
    fits = fits && is_sound(&f, items(&views[2]));
    Py_ssize_t best = 0;
    int turned = 0;
    if (fits) {
        best = follow_classes(&f, (float)gain);
        turned = follow_rules(&f, held_s);
    }
    release(views, BUFFERS);
    if (!fits) {
        PyErr_SetString(PyExc_ValueError, "buffers that do not fit each other");
        return NULL;
    }
    return Py_BuildValue("(nO)", best, turned ? Py_True : Py_False);
}

static PyMethodDef methods[] = {
    {"look_up", (PyCFunction)(void (*)(void))look_up, METH_FASTCALL, "look_up(table, levels, scores)"},
    {"follow", (PyCFunction)(void (*)(void))follow, METH_FASTCALL,
     "follow(class_gain, held_s, scores, classes, members, ends, sums, rates, unset, threshold, "
     "wish, before, raw, score) -> (best class, whether a wish turns)"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef scores_module = {
    PyModuleDef_HEAD_INIT, "_scores", "Loops over every score of a frame.", 0, methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__scores(void)
{
    return PyModule_Create(&scores_module);
}
