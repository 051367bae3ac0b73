#include "histogram.h"

/* Values under SUB_BUCKETS have a bucket each; above, every power of two is cut in SUB_BUCKETS parts. */
static unsigned bucket_of(uint64_t value_ns)
{
    if (value_ns < SUB_BUCKETS)
        return (unsigned)value_ns;
    unsigned power = 63u - (unsigned)__builtin_clzll(value_ns);
    unsigned shift = power - SUB_BUCKET_BITS;
    return (shift + 1) * SUB_BUCKETS + (unsigned)((value_ns >> shift) - SUB_BUCKETS);
}

static uint64_t upper_bound_ns(unsigned bucket)
{
    if (bucket < SUB_BUCKETS)
        return bucket;
    unsigned shift = bucket / SUB_BUCKETS - 1;
    return (((uint64_t)(bucket % SUB_BUCKETS) + SUB_BUCKETS + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value_ns)
{
    histogram->count++;
    histogram->total_ns += value_ns;
    if (value_ns > histogram->max_ns)
        histogram->max_ns = value_ns;
    histogram->buckets[bucket_of(value_ns)]++;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    into->count += from->count;
    into->total_ns += from->total_ns;
    if (from->max_ns > into->max_ns)
        into->max_ns = from->max_ns;
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++)
        into->buckets[bucket] += from->buckets[bucket];
}

uint64_t histogram_quantile_ns(const struct histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)histogram->count + 0.999999);
    uint64_t seen = 0;
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        seen += histogram->buckets[bucket];
        if (seen >= wanted && seen > 0) {
            uint64_t bound = upper_bound_ns(bucket);
            return bound < histogram->max_ns ? bound : histogram->max_ns;
        }
    }
    return histogram->max_ns;
}
