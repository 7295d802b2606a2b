/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/hw/linux/jobs.h"

const helper_job hw_linux_jobs[HW_LINUX_JOB_COUNT] = {
    [JOB_PROBE] = job_probe,
    [JOB_LIST_SECONDARIES] = job_list_secondaries,
    [JOB_FUNCTION_COUNT] = job_function_count,
    [JOB_VIRTUALIZATION] = job_virtualization,
    [JOB_ATTACH_NAMESPACE] = job_attach_namespace,
    [JOB_BIND] = job_bind,
    [JOB_UNBIND] = job_unbind,
    [JOB_OPEN] = job_open,
    [JOB_MAP] = job_map,
    [JOB_UNMAP] = job_unmap,
    [JOB_RELEASE] = job_release,
    [JOB_LEND] = job_lend,
    [JOB_WITHDRAW] = job_withdraw,
    [JOB_RECLAIM] = job_reclaim,
    [JOB_DISCARD] = job_nothing,
    [JOB_TAKE_OVER] = job_nothing,
    [JOB_CHANGE_NAMESPACE] = job_change_namespace,
    [JOB_RENEW] = job_renew,
};
