/* Antialiased resizing; edged/imaging/resample.py says which filter and makes the weights.
 *
 * The arithmetic is Pillow's (ImagingResampleHorizontal_8bpc and ImagingResampleVertical_8bpc in
 * its src/libImaging/Resample.c), so the results are: weights in units of 2^-22, sums that start
 * at a half, cut to 8 bits after each of the two passes. As sums of integers have no order, only
 * the order of the passes matters. Unsigned, because those may overflow where weights from
 * elsewhere add up to more than one. */

#include "_resample.h"

#include <stdlib.h>
#include <string.h>
#if defined(AVX2)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

typedef uint32_t u32x4 __attribute__((vector_size(16)));

INLINE uint8_t
level(const uint32_t sum)
{
    const uint32_t value = sum >> PRECISION_BITS;
    return (uint8_t)(value < 255 ? value : 255);
}

/* Adds `count` rows to the sums, which begin with the `first` and become levels with the `last`.
 * These three are constants wherever this inlines, so partial sums stay in registers. */
INLINE void
add_rows(uint8_t *restrict levels, uint32_t *restrict sums, const uint8_t *const *rows,
         const int32_t *weights, const Py_ssize_t length, const int count, const int first,
         const int last)
{
    uint32_t factors[ROWS_AT_ONCE];
    for (int k = 0; k < count; k++) {
        factors[k] = (uint32_t)weights[k];
    }
    for (Py_ssize_t i = 0; i < length; i++) {
        uint32_t sum = first ? (uint32_t)HALF : sums[i];
        for (int k = 0; k < count; k++) {
            sum += rows[k][i] * factors[k];
        }
        if (last) {
            levels[i] = level(sum);
        } else {
            sums[i] = sum;
        }
    }
}

INLINE void
add_last_rows(uint8_t *levels, uint32_t *sums, const uint8_t *const *rows, const int32_t *weights,
              const Py_ssize_t length, const int count, const int first)
{
    switch (count) {
#define CASE(n)                                                               \
    case n:                                                                   \
        if (first) {                                                          \
            add_rows(levels, sums, rows, weights, length, n, 1, 1);           \
        } else {                                                              \
            add_rows(levels, sums, rows, weights, length, n, 0, 1);           \
        }                                                                     \
        break;
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
        CASE(5)
        CASE(6)
        CASE(7)
        CASE(8)
#undef CASE
    }
}

/* Row `y` of the output, `length` levels, from the rows of the source or those in the ring. */
typedef void Vertical(const Resampling *r, uint8_t *levels, Py_ssize_t y, Py_ssize_t length,
                      int from_ring);

INLINE void
vertical(const Resampling *r, uint8_t *levels, const Py_ssize_t y, const Py_ssize_t length,
         const int from_ring)
{
    const int32_t *weights = r->rows.weights + y * r->rows.taps;
    Py_ssize_t row = r->rows.starts[y], left = row_taps(r, y);
    for (int first = 1; left > 0; first = 0) {
        const int count = left < ROWS_AT_ONCE ? (int)left : ROWS_AT_ONCE;
        const uint8_t *rows[ROWS_AT_ONCE];
        for (int k = 0; k < count; k++, row++) {
            rows[k] = input_row(r, row, length, from_ring);
        }
        left -= count;
        if (left == 0) {
            add_last_rows(levels, r->sums, rows, weights, length, count, first);
        } else if (first) {
            add_rows(levels, r->sums, rows, weights, length, ROWS_AT_ONCE, 1, 0);
        } else {
            add_rows(levels, r->sums, rows, weights, length, ROWS_AT_ONCE, 0, 0);
        }
        weights += count;
    }
}

/* The sums of the outputs from `x` to `end`, whose offsets count from `row`. Two taps at a time:
 * LANES bytes are read from each second one on. */
typedef void AddTaps(const Resampling *r, const uint8_t *row, Py_ssize_t x, Py_ssize_t end);

static void
add_taps_any(const Resampling *r, const uint8_t *row, Py_ssize_t x, const Py_ssize_t end)
{
    const Py_ssize_t pairs = (r->columns.taps + 1) / 2, step = r->step;
    const uint32_t *lanes = r->lanes + x * pairs * LANES;
    for (; x < end; x++) {
        const uint8_t *taps = row + r->offsets[x];
        u32x4 pixel = {HALF, HALF, HALF};
#ifdef __ARM_NEON
        uint32x4_t low = pixel, high = {0};
        for (Py_ssize_t k = 0; k < pairs; k++, lanes += LANES, taps += 2 * step) {
            const uint16x8_t values = vmovl_u8(vld1_u8(taps));
            low = vmlaq_u32(low, vmovl_u16(vget_low_u16(values)), vld1q_u32(lanes));
            high = vmlaq_u32(high, vmovl_u16(vget_high_u16(values)), vld1q_u32(lanes + 4));
        }
        pixel = low + (step == 3 ? vextq_u32(low, high, 3) : high);
#else
        for (Py_ssize_t k = 0; k < pairs; k++, lanes += LANES, taps += 2 * step) {
            const uint8_t *const next = taps + step;
            pixel += (u32x4){taps[0], taps[1], taps[2], 0} * lanes[0];
            pixel += (u32x4){next[0], next[1], next[2], 0} * lanes[step];
        }
#endif
        memcpy(r->sums + 3 * x, &pixel, sizeof pixel);
    }
}

#ifdef AVX2
/* `step` and mostly `pairs` are constants where this inlines. */
AVX2 INLINE void
add_pairs_avx2(const Resampling *r, const uint8_t *row, Py_ssize_t x, const Py_ssize_t end,
               const int step, const Py_ssize_t pairs)
{
    const Py_ssize_t *const offsets = r->offsets;
    const uint32_t *lanes = r->lanes + x * pairs * LANES;
    uint32_t *restrict sums = r->sums;
    const __m256i half = _mm256_setr_epi32(HALF, HALF, HALF, 0, 0, 0, 0, 0);
    const __m256i to_even = _mm256_setr_epi32(step, step + 1, step + 2, 7, 7, 7, 7, 7);
    for (; x < end; x++) {
        const uint8_t *taps = row + offsets[x];
        __m256i sum = half;
        for (Py_ssize_t k = 0; k < pairs; k++, lanes += LANES, taps += 2 * step) {
            const __m256i values = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)taps));
            const __m256i weights = _mm256_loadu_si256((const __m256i *)lanes);
            sum = _mm256_add_epi32(sum, _mm256_mullo_epi32(values, weights));
        }
        const __m256i odd = _mm256_permutevar8x32_epi32(sum, to_even);
        const __m128i pixel = _mm256_castsi256_si128(_mm256_add_epi32(sum, odd));
        _mm_storeu_si128((__m128i *)(sums + 3 * x), pixel);
    }
}

AVX2 static void
add_taps_avx2(const Resampling *r, const uint8_t *row, Py_ssize_t x, const Py_ssize_t end)
{
    const Py_ssize_t pairs = (r->columns.taps + 1) / 2;
    if (r->step == 3) {
        switch (pairs) {
            case 1: add_pairs_avx2(r, row, x, end, 3, 1); break;
            case 2: add_pairs_avx2(r, row, x, end, 3, 2); break;
            case 3: add_pairs_avx2(r, row, x, end, 3, 3); break;
            case 4: add_pairs_avx2(r, row, x, end, 3, 4); break;
            default: add_pairs_avx2(r, row, x, end, 3, pairs);
        }
    } else {
        add_pairs_avx2(r, row, x, end, 4, pairs);
    }
}
#endif

/* The levels of `count` rows, one or two; where they are not padded, nothing behind the end of a row
 * is read. */
typedef void Horizontal(const Resampling *r, uint8_t *const *levels, const uint8_t *const *rows,
                        int count, int is_padded);

INLINE void
resize_row(const Resampling *r, uint8_t *restrict levels, const uint8_t *row, const int is_padded,
           AddTaps *const add_taps)
{
    const Py_ssize_t count = r->columns.count;
    if (is_padded) {
        add_taps(r, row, 0, count);
    } else {
        add_taps(r, row, 0, r->within);
        memcpy(r->padded, row + r->tail, (size_t)(r->row_bytes - r->tail));
        add_taps(r, r->padded - r->tail, r->within, count);
    }
    const uint32_t *restrict sums = r->sums;
    for (Py_ssize_t i = 0; i < 3 * count; i++) {
        levels[i] = level(sums[i]);
    }
}

INLINE void
put_line(const Resampling *r, uint8_t *restrict out)
{
    const uint8_t *restrict line = r->line;
    const Py_ssize_t count = r->columns.count;
    if (r->out_step == 3 && r->out_channel_stride == 1) {
        memcpy(out, line, (size_t)(3 * count));
    } else if (r->out_channel_stride == 1) {
        for (Py_ssize_t x = 0; x < count; x++, out += r->out_step) {
            memcpy(out, line + 3 * x, 3);
        }
    } else {
        for (Py_ssize_t x = 0; x < count; x++, out += r->out_step) {
            for (int c = 0; c < 3; c++) {
                out[c * r->out_channel_stride] = line[3 * x + c];
            }
        }
    }
}

INLINE void
horizontal(const Resampling *r, uint8_t *const *levels, const uint8_t *const *rows,
           const int count, const int is_padded, AddTaps *const add_taps)
{
    for (int i = 0; i < count; i++) {
        resize_row(r, levels[i], rows[i], is_padded, add_taps);
    }
}

/* Puts every row that row `y` of the output takes into the ring, if it is not there. */
INLINE void
fill_ring(const Resampling *r, const Py_ssize_t y, Horizontal *const resize_rows)
{
    const Py_ssize_t end = r->rows.starts[y] + r->rows.taps;
    uint8_t *levels[2];
    const uint8_t *rows[2];
    int count = 0;
    for (Py_ssize_t row = r->rows.starts[y]; row < end; row++) {
        const Py_ssize_t place = row % r->ring_rows;
        if (r->ring_row[place] != row) {
            r->ring_row[place] = row;
            levels[count] = r->ring + place * 3 * r->columns.count;
            rows[count++] = r->pixels + row * r->row_stride;
        }
        if (count == 2 || (count == 1 && row == end - 1)) {
            resize_rows(r, levels, rows, count, 0);
            count = 0;
        }
    }
}

INLINE void
resample_all(const Resampling *r, Horizontal *const resize_rows, Vertical *const sum_rows)
{
    uint8_t *const line[] = {r->line};
    const uint8_t *const padded[] = {r->padded};
    for (Py_ssize_t y = 0; y < r->rows.count; y++) {
        if (r->rows_first) {
            sum_rows(r, r->padded, y, r->row_bytes, 0);
            resize_rows(r, line, padded, 1, 1);
        } else {
            fill_ring(r, y, resize_rows);
            sum_rows(r, r->line, y, 3 * r->columns.count, 1);
        }
        put_line(r, r->out + y * r->out_row_stride);
    }
}

static void
horizontal_any(const Resampling *r, uint8_t *const *levels, const uint8_t *const *rows,
               const int count, const int is_padded)
{
    horizontal(r, levels, rows, count, is_padded, add_taps_any);
}

static void
resample_any(const Resampling *r)
{
    resample_all(r, horizontal_any, vertical);
}

#ifdef AVX2
AVX2 static void
horizontal_avx2(const Resampling *r, uint8_t *const *levels, const uint8_t *const *rows,
               const int count, const int is_padded)
{
    horizontal(r, levels, rows, count, is_padded, add_taps_avx2);
}

AVX2 static void
resample_avx2(const Resampling *r)
{
    resample_all(r, horizontal_avx2, vertical);
}
#endif

#ifdef VNNI
static void
horizontal_vnni(const Resampling *r, uint8_t *const *levels, const uint8_t *const *rows,
                const int count, const int is_padded)
{
    (void)is_padded;
    columns_vnni(r, levels, rows, count);
}

VNNI static void
resample_vnni(const Resampling *r)
{
    resample_all(r, horizontal_vnni, rows_vnni);
}
#endif

static void
resample(const Resampling *r)
{
#ifdef VNNI
    if (r->groups != NULL) {
        resample_vnni(r);
        return;
    }
#endif
    RUN(resample, r);
}

/* Fills `axis` from two buffers; 0 with a Python error set where an index would leave 0..size. */
static int
read_axis(Axis *axis, const Py_buffer *starts, const Py_buffer *weights, Py_ssize_t count,
          Py_ssize_t size)
{
    const Py_ssize_t values = weights->len / (Py_ssize_t)sizeof(int32_t);
    axis->starts = starts->buf;
    axis->weights = weights->buf;
    axis->count = count;
    axis->taps = count > 0 ? values / count : 0;
    if (count < 1 || starts->len != count * (Py_ssize_t)sizeof(int32_t) || axis->taps < 1 ||
        weights->len != count * axis->taps * (Py_ssize_t)sizeof(int32_t)) {
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
    }
    return 1;
}

/* Fills `lanes`, finds the outputs whose vectors would leave a row; 0 where memory is short. */
static int
spread_columns(Resampling *r)
{
    const Axis *const columns = &r->columns;
    const Py_ssize_t step = r->step, pairs = (columns->taps + 1) / 2;
    r->lanes = calloc((size_t)(columns->count * pairs) * LANES, sizeof *r->lanes);
    if (r->lanes == NULL) {
        return 0;
    }
    for (Py_ssize_t x = 0; x < columns->count; x++) {
        for (Py_ssize_t k = 0; k < columns->taps; k++) {
            uint32_t *lane = r->lanes + (x * pairs + k / 2) * LANES + k % 2 * step;
            lane[0] = lane[1] = lane[2] = (uint32_t)columns->weights[x * columns->taps + k];
        }
    }
    const Py_ssize_t reach = 2 * (pairs - 1) * step + LANES;
    while (r->within < columns->count && r->offsets[r->within] + reach <= r->row_bytes) {
        r->within++;
    }
    r->tail = r->row_bytes;
    for (Py_ssize_t x = r->within; x < columns->count; x++) {
        r->tail = r->offsets[x] < r->tail ? r->offsets[x] : r->tail;
    }
    return 1;
}

/* A resampling without its pictures: what can be kept from one frame of a camera to the next. */
typedef struct {
    Resampling r;
    Py_buffer axes[4];
    Py_ssize_t shape[3], strides[3], out_shape[3], out_strides[3];
    size_t sums_bytes, padded_bytes, line_bytes, ring_bytes, ring_row_bytes;
} Plan;

static const char plan_name[] = "edged.imaging._kernels.plan";

/* In steps of a vector, so that each part of a block begins at one. */
static size_t
aligned(const size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

static void
free_plan(Plan *plan)
{
    free(plan->r.offsets);
    free(plan->r.lanes);
    free(plan->r.groups);
    free(plan->r.row_digits);
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
prepare(Plan *plan, const int rows_first)
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
        .row_stride = strides[0],
        .step = strides[1],
        .out_row_stride = out_strides[0],
        .out_step = out_strides[1],
        .out_channel_stride = out_strides[2],
        .rows_first = rows_first,
    };
    Axis *const columns = &r->columns;
    const Py_buffer *const axes = plan->axes;
    if (!read_axis(columns, &axes[0], &axes[1], plan->out_shape[1], plan->shape[1]) ||
        !read_axis(&r->rows, &axes[2], &axes[3], plan->out_shape[0], plan->shape[0])) {
        return 0;
    }
    const Py_ssize_t step = r->step;
    /* Behind the last pixel of a picture lies nothing, also where the others have a fourth byte. */
    r->row_bytes = (columns->end - columns->lowest - 1) * step + 3;
    r->ring_rows = r->rows.taps;
    const size_t count = (size_t)columns->count, row_bytes = (size_t)r->row_bytes;
    const size_t longest = row_bytes > 3 * count ? row_bytes : 3 * count;
    plan->sums_bytes = aligned((longest + 1) * sizeof *r->sums);
    plan->padded_bytes = aligned(row_bytes + 2 * LANES);
    plan->line_bytes = aligned(3 * count);
    plan->ring_bytes = rows_first ? 0 : aligned((size_t)r->ring_rows * 3 * count);
    plan->ring_row_bytes = aligned((size_t)r->ring_rows * sizeof *r->ring_row);
    r->offsets = malloc(count * sizeof *r->offsets);
    if (r->offsets == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    for (Py_ssize_t x = 0; x < columns->count; x++) {
        r->offsets[x] = (columns->starts[x] - columns->lowest) * step;
    }
#ifdef VNNI
    const int filled = suits_vnni(r) ? spread_vnni(r) : spread_columns(r);
#else
    const int filled = spread_columns(r);
#endif
    if (!filled) {
        PyErr_NoMemory();
    }
    return filled;
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
    PyObject *axis_objects[4];
    int rows_first;
    int ready = PyArg_ParseTuple(
        args, "(nnn)(nnn)(nnn)(nnn)OOOOp", &shape[0], &shape[1], &shape[2], &strides[0],
        &strides[1], &strides[2], &out_shape[0], &out_shape[1], &out_shape[2], &out_strides[0],
        &out_strides[1], &out_strides[2], &axis_objects[0], &axis_objects[1], &axis_objects[2],
        &axis_objects[3], &rows_first);
    for (int i = 0; ready && i < 4; i++) {
        ready = PyObject_GetBuffer(axis_objects[i], &plan->axes[i], PyBUF_SIMPLE) == 0;
    }
    ready = ready && prepare(plan, rows_first);
    PyObject *const capsule = ready ? PyCapsule_New(plan, plan_name, forget_plan) : NULL;
    if (capsule == NULL) {
        free_plan(plan);
    }
    return capsule;
}

/* With what only one call at a time may use, and which therefore is of this call; 0 where memory
 * is short. */
static int
run(const Plan *plan, const Py_buffer *pixels, const Py_buffer *out)
{
    uint8_t *const block =
        aligned_alloc(64, plan->sums_bytes + plan->padded_bytes + plan->line_bytes +
                              plan->ring_bytes + plan->ring_row_bytes);
    if (block == NULL) {
        return 0;
    }
    Resampling r = plan->r;
    r.pixels = (const uint8_t *)pixels->buf + r.columns.lowest * r.step;
    r.out = out->buf;
    uint8_t *part = block;
    r.sums = (uint32_t *)part;
    part += plan->sums_bytes;
    r.padded = part;
    memset(r.padded, 0, plan->padded_bytes);
    part += plan->padded_bytes;
    r.line = part;
    part += plan->line_bytes;
    r.ring = part;
    part += plan->ring_bytes;
    r.ring_row = (Py_ssize_t *)part;
    for (Py_ssize_t i = 0; i < r.ring_rows; i++) {
        r.ring_row[i] = -1;
    }
    resample(&r);
    free(block);
    return 1;
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

PyObject *
kernels_resample(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *pixels_object, *out_object, *capsule;
    if (!PyArg_ParseTuple(args, "OOO", &pixels_object, &out_object, &capsule)) {
        return NULL;
    }
    const Plan *const plan = PyCapsule_GetPointer(capsule, plan_name);
    if (plan == NULL) {
        return NULL;
    }
    Py_buffer pixels = {0}, out = {0};
    int ready = PyObject_GetBuffer(pixels_object, &pixels, PyBUF_STRIDED_RO | PyBUF_FORMAT) == 0 &&
                PyObject_GetBuffer(out_object, &out, PyBUF_STRIDED | PyBUF_FORMAT) == 0;
    const int serves = ready && fits(&pixels, plan->shape, plan->strides) &&
                       fits(&out, plan->out_shape, plan->out_strides);
    if (serves) {
        Py_BEGIN_ALLOW_THREADS
        ready = run(plan, &pixels, &out);
        Py_END_ALLOW_THREADS
        if (!ready) {
            PyErr_NoMemory();
        }
    }
    PyBuffer_Release(&out);
    PyBuffer_Release(&pixels);
    return ready ? PyBool_FromLong(serves) : NULL;
}
