/* SPDX-License-Identifier: BSD-3-Clause */
/* What the model process does beyond the jobs of the Linux backend: telling what happens to its devices. */
#ifndef HOMI_DAEMON_HW_MODEL_JOBS_H
#define HOMI_DAEMON_HW_MODEL_JOBS_H

#include "daemon/hw/linux/jobs.h"

enum {
    MODEL_JOB_NEWS = HW_LINUX_JOB_COUNT, /* job_news -> model_news, once there is one */
};

#define MODEL_NEWS_UNKNOWN UINT64_MAX

struct job_news {
    uint64_t seen; /* the number of the last one; MODEL_NEWS_UNKNOWN: what is the last one, at once */
};

enum model_news_kind { MODEL_NEWS_NONE, MODEL_NEWS_RESET, MODEL_NEWS_GONE, MODEL_NEWS_BACK };

struct model_news {
    uint64_t number; /* counts from 1 */
    uint64_t digest; /* of the specification that the process was started with */
    uint32_t kind;
    char serial[SERIAL_BYTES];
    char address[HW_ADDRESS_BYTES];
};

#endif
