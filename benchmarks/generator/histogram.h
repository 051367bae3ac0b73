/* A histogram of durations with logarithmic buckets: fixed memory, error of a reported value under 1.6 %. */
#ifndef DIRK_HISTOGRAM_H
#define DIRK_HISTOGRAM_H

#include <stdint.h>

#define SUB_BUCKET_BITS 6
#define SUB_BUCKETS (1 << SUB_BUCKET_BITS)
#define HISTOGRAM_BUCKETS ((64 - SUB_BUCKET_BITS) * SUB_BUCKETS)

struct histogram {
    uint64_t count;
    uint64_t total_ns;
    uint64_t max_ns;
    uint32_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t value_ns);
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The smallest bucket bound that `share` (0..1) of the values do not exceed; 0 when nothing was added. */
uint64_t histogram_quantile_ns(const struct histogram *histogram, double share);

#endif
