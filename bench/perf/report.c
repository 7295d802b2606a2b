/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/perf/report.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>

static const struct {
    const char *key;
    uint32_t hundred_thousandths;
} percentiles[] = {{"p50", 50000}, {"p90", 90000}, {"p99", 99000}, {"p99.9", 99900}, {"p99.99", 99990}};

#define PERCENTILES (sizeof(percentiles) / sizeof(percentiles[0]))

static double rate(uint64_t count, double seconds)
{
    return seconds > 0 ? (double)count / seconds : 0;
}

static void add_number(struct json_object *object, const char *key, uint64_t value)
{
    json_object_object_add(object, key, json_object_new_uint64(value));
}

static void add_flag(struct json_object *object, const char *key, bool value)
{
    json_object_object_add(object, key, json_object_new_boolean(value));
}

static void add_real(struct json_object *object, const char *key, double value)
{
    json_object_object_add(object, key, json_object_new_double(value));
}

static struct json_object *latency_object(const struct histogram *latencies)
{
    struct json_object *object = json_object_new_object();

    add_number(object, "samples", latencies->count);
    add_number(object, "min", latencies->min);
    add_real(object, "mean", latencies->count > 0 ? (double)latencies->sum / (double)latencies->count : 0);
    for (size_t i = 0; i < PERCENTILES; i++)
        add_number(object, percentiles[i].key,
                   histogram_percentile(latencies, percentiles[i].hundred_thousandths));
    add_number(object, "max", latencies->max);
    return object;
}

static void add_setup(struct json_object *object, const struct report *report)
{
    const struct perf_options *options = report->options;

    json_object_object_add(object, "rw", json_object_new_string(perf_rw_names[options->rw]));
    add_number(object, "readPercent", options->read_percent);
    add_number(object, "blockBytes", options->block_bytes);
    add_number(object, "depth", options->depth);
    add_number(object, "batch", report->batch);
    add_number(object, "functions", report->functions);
    add_number(object, "queuePairs", report->queue_pairs);
    add_number(object, "threads", report->threads);
    add_flag(object, "interrupt", options->interrupt);
    add_flag(object, "verify", options->verify);
}

static int print_json(const struct report *report)
{
    struct json_object *object = json_object_new_object();
    uint64_t ios = report->reads + report->writes;

    if (!object)
        return -ENOMEM;
    add_setup(object, report);
    add_real(object, "seconds", report->seconds);
    add_real(object, "cpuSeconds", report->cpu_seconds);
    add_number(object, "reads", report->reads);
    add_number(object, "writes", report->writes);
    add_real(object, "iops", rate(ios, report->seconds));
    add_real(object, "bytesPerSecond", rate(ios * report->options->block_bytes, report->seconds));
    add_number(object, "errors", report->errors);
    add_number(object, "firstError", report->first_error);
    add_number(object, "miscompares", report->miscompares);
    add_number(object, "spurious", report->spurious);
    add_number(object, "doorbellWrites", report->doorbell_writes);
    if (report->latencies)
        json_object_object_add(object, "latencyNanoseconds", latency_object(report->latencies));
    puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
    json_object_put(object);
    return 0;
}

static void print_latency(const struct histogram *latencies)
{
    printf("latency, us: min %.1f", (double)latencies->min / 1000);
    for (size_t i = 0; i < PERCENTILES; i++)
        printf(", %s %.1f", percentiles[i].key,
               (double)histogram_percentile(latencies, percentiles[i].hundred_thousandths) / 1000);
    printf(", max %.1f\n", (double)latencies->max / 1000);
}

static void print_text(const struct report *report)
{
    uint64_t ios = report->reads + report->writes;
    double iops = rate(ios, report->seconds);

    printf("%s, %" PRIu32 " B, depth %" PRIu32 ", batch %" PRIu32 ", %" PRIu32 " queue pairs on %" PRIu32
           " VFs, %" PRIu32 " threads\n",
           perf_rw_names[report->options->rw], report->options->block_bytes, report->options->depth,
           report->batch, report->queue_pairs, report->functions, report->threads);
    printf("%.0f IOPS, %.1f MiB/s in %.2f s: %" PRIu64 " reads, %" PRIu64 " writes\n", iops,
           iops * report->options->block_bytes / (1 << 20), report->seconds, report->reads, report->writes);
    printf("%.3f doorbell writes per I/O, %.2f s of CPU\n",
           ios > 0 ? (double)report->doorbell_writes / (double)ios : 0, report->cpu_seconds);
    if (report->latencies)
        print_latency(report->latencies);
    printf("%" PRIu64 " errors, %" PRIu64 " miscompares, %" PRIu64 " spurious completions\n", report->errors,
           report->miscompares, report->spurious);
    if (report->errors > 0)
        printf("the first error had NVMe status 0x%03x (type and code)\n", report->first_error);
}

int report_print(const struct report *report)
{
    if (report->options->json)
        return print_json(report);
    print_text(report);
    return 0;
}

void report_live(const struct perf_options *options, double seconds, double iops, uint64_t errors)
{
    fprintf(stderr, "\r%5.0f s  %12.0f IOPS  %9.1f MiB/s  %" PRIu64 " errors\033[K", seconds, iops,
            iops * options->block_bytes / (1 << 20), errors);
}

void report_live_end(void)
{
    fputs("\r\033[K", stderr);
}
