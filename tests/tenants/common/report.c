/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/tenants/common/report.h"

#include <homi/nvme.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

static void print_json(const struct report *report, double iops, double mibps)
{
    printf("{\"path\":\"%s\",\"function\":\"%s\",\"mode\":\"%s\",\"namespace\":%" PRIu32
           ",\"queuePairs\":%" PRIu32 ",\"depth\":%" PRIu32 ",\"blockBytes\":%" PRIu32 ",\"interrupt\":%s,",
           report->path, report->function, report->mode, report->namespace_id, report->queue_pairs,
           report->depth, report->block_bytes, report->interrupt ? "true" : "false");
    printf("\"seconds\":%.3f,\"cpuSeconds\":%.4f,\"reads\":%" PRIu64 ",\"writes\":%" PRIu64
           ",\"iops\":%.0f,\"mibps\":%.1f,",
           report->seconds, report->cpu_seconds, report->reads, report->writes, iops, mibps);
    printf("\"errors\":%" PRIu64 ",\"miscompares\":%" PRIu64 ",\"verified\":%" PRIu64
           ",\"doorbellWrites\":%" PRIu64 ",\"spurious\":%" PRIu64
           ",\"recoveries\":%u,\"outageSeconds\":%.2f}\n",
           report->errors, report->miscompares, report->verified, report->doorbell_writes, report->spurious,
           report->recoveries, report->outage_seconds);
}

void report_print(const struct report *report, bool json)
{
    double ios = (double)(report->reads + report->writes);
    double iops = report->seconds > 0 ? ios / report->seconds : 0;
    double mibps = iops * report->block_bytes / (1 << 20);

    if (json)
        print_json(report, iops, mibps);
    else
        printf("%s: %.0f IOPS, %.1f MiB/s for %.1f s; %" PRIu64 " errors, %" PRIu64 " miscompares, %" PRIu64
               " blocks verified\n",
               report->function, iops, mibps, report->seconds, report->errors, report->miscompares,
               report->verified);
    fflush(stdout);
}

const char *report_status_name(uint16_t status)
{
    static const struct {
        unsigned status;
        const char *name;
    } names[] = {
        {HOMI_NVME_SUCCESS, "SUCCESS"},
        {HOMI_NVME_INVALID_OPCODE, "INVALID_OPCODE"},
        {HOMI_NVME_INVALID_FIELD, "INVALID_FIELD"},
        {HOMI_NVME_CID_CONFLICT, "CID_CONFLICT"},
        {HOMI_NVME_DATA_TRANSFER_ERROR, "DATA_TRANSFER_ERROR"},
        {HOMI_NVME_INTERNAL_ERROR, "INTERNAL_ERROR"},
        {HOMI_NVME_ABORT_REQUESTED, "ABORT_REQUESTED"},
        {HOMI_NVME_ABORTED_SQ_DELETION, "ABORTED_SQ_DELETION"},
        {HOMI_NVME_INVALID_NAMESPACE, "INVALID_NAMESPACE"},
        {HOMI_NVME_PRP_OFFSET_INVALID, "PRP_OFFSET_INVALID"},
        {HOMI_NVME_NAMESPACE_WRITE_PROTECTED, "NAMESPACE_WRITE_PROTECTED"},
        {HOMI_NVME_LBA_OUT_OF_RANGE, "LBA_OUT_OF_RANGE"},
        {HOMI_NVME_CAPACITY_EXCEEDED, "CAPACITY_EXCEEDED"},
        {HOMI_NVME_NAMESPACE_NOT_READY, "NAMESPACE_NOT_READY"},
        {HOMI_NVME_RESERVATION_CONFLICT, "RESERVATION_CONFLICT"},
        {HOMI_NVME_CONFLICTING_ATTRIBUTES, "CONFLICTING_ATTRIBUTES"},
        {HOMI_NVME_READ_ONLY_RANGE, "READ_ONLY_RANGE"},
        {HOMI_NVME_WRITE_FAULT, "WRITE_FAULT"},
        {HOMI_NVME_UNRECOVERED_READ, "UNRECOVERED_READ"},
        {HOMI_NVME_COMPARE_FAILURE, "COMPARE_FAILURE"},
        {HOMI_NVME_ACCESS_DENIED, "ACCESS_DENIED"},
        {HOMI_NVME_UNWRITTEN_BLOCK, "UNWRITTEN_BLOCK"},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].status == homi_nvme_status(status))
            return names[i].name;
    return "unnamed";
}
