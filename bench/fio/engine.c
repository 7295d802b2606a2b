/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An external engine of fio: each job attaches to homid as a tenant and drives a queue pair of its own.
 * Reads, writes, fsync (flush) and trim (deallocate). Built against the headers of the fio that is installed
 * (`make fio-engine`), which have their own warnings and are taken as system headers.
 *
 *     fio --ioengine=external:build/fio-homi.so --filename=homi --thread --tenant=blue --namespace=1 …
 *
 * A job's part of the lease is attached in the job's own process or thread, since a connection to homid is
 * not for two processes; setup(), which fio calls before, attaches for as long as it takes to learn the size.
 */
#include <fio.h>
#include <optgroup.h>

#include <homi/homi.h>

/* Registers memory of the job's before it is known how much fio wants: the ranges of trims. */
struct job {
    struct homi *homi;
    struct homi_lease *lease;
    const struct homi_namespace *namespace;
    struct homi_memory *buffers, *ranges;
    struct homi_queue_pair *pair;
    struct homi_queue *queue;
    struct homi_batch batch; /* while `open` */
    bool open;
    struct homi_completion *events;
};

/* What fio's parser writes; it takes offset 0 for none. */
struct job_options {
    void *pad;
    char *socket, *tenant, *device;
    unsigned int namespace;
};

static struct fio_option options[] = {
    {
        .name = "socket",
        .lname = "homid's socket",
        .type = FIO_OPT_STR_STORE,
        .off1 = offsetof(struct job_options, socket),
        .help = "homid's socket for tenants",
        .category = FIO_OPT_C_ENGINE,
        .group = FIO_OPT_G_INVALID,
    },
    {
        .name = "tenant",
        .lname = "Tenant",
        .type = FIO_OPT_STR_STORE,
        .off1 = offsetof(struct job_options, tenant),
        .help = "Act for this tenant",
        .category = FIO_OPT_C_ENGINE,
        .group = FIO_OPT_G_INVALID,
    },
    {
        .name = "device",
        .lname = "Device",
        .type = FIO_OPT_STR_STORE,
        .off1 = offsetof(struct job_options, device),
        .help = "A virtual function of this SSD",
        .category = FIO_OPT_C_ENGINE,
        .group = FIO_OPT_G_INVALID,
    },
    {
        .name = "namespace",
        .lname = "Namespace",
        .type = FIO_OPT_INT,
        .off1 = offsetof(struct job_options, namespace),
        .help = "Namespace id; the first one otherwise",
        .def = "0",
        .category = FIO_OPT_C_ENGINE,
        .group = FIO_OPT_G_INVALID,
    },
    {
        .name = NULL,
    },
};

/* Tells fio and the user why a step failed. Returns 1, which fio takes for a failure. */
static int failed(struct thread_data *td, const struct homi *homi, const char *step, int error)
{
    if (error > 0)
        log_err("homi: %s: refused: %s: %s\n", step, homi_error_name(homi), homi_error_text(homi));
    else
        log_err("homi: %s: %s\n", step, homi_strerror(error));
    td_verror(td, error < 0 ? -error : EACCES, step);
    return 1;
}

static int attach(struct thread_data *td, struct homi **ret_homi, struct homi_lease **ret_lease,
                  const struct homi_namespace **ret_namespace)
{
    const struct job_options *o = td->eo;
    const char *devices[] = {o->device};
    const struct homi_attach_options wanted = {
        .tenant = o->tenant, .devices = o->device ? devices : NULL, .device_count = o->device != NULL};
    struct homi_lease *lease;
    struct homi *homi;
    int r = homi_open(o->socket, &homi);

    if (r != 0)
        return failed(td, NULL, "connecting to homid", r);
    r = homi_attach(homi, &wanted, &lease);
    if (r != 0) {
        failed(td, homi, "attach", r);
        homi_close(homi);
        return 1;
    }
    *ret_namespace = o->namespace != 0 ? homi_function_namespace_by_id(lease, 0, o->namespace)
                                       : homi_function_namespace(lease, 0, 0);
    if (!*ret_namespace) {
        log_err("homi: the virtual function does not have the namespace\n");
        td_verror(td, ENOENT, "namespace");
        homi_close(homi);
        return 1;
    }
    *ret_homi = homi;
    *ret_lease = lease;
    return 0;
}

static int job_setup(struct thread_data *td)
{
    const struct homi_namespace *ns;
    struct homi_lease *lease;
    struct fio_file *file;
    struct homi *homi;
    unsigned int i;

    if (attach(td, &homi, &lease, &ns) != 0)
        return 1;
    for_each_file(td, file, i)
    {
        file->filetype = FIO_TYPE_BLOCK;
        file->real_file_size = ns->blocks << ns->block_shift;
        fio_file_set_size_known(file);
    }
    homi_close(homi);
    return 0;
}

static void job_cleanup(struct thread_data *td)
{
    struct job *job = td->io_ops_data;

    if (!job)
        return;
    homi_close(job->homi); /* with all that came from it */
    free(job->events);
    free(job);
    td->io_ops_data = NULL;
}

/* Block sizes that no command could have are refused before the load, not by each command. */
static int sizes_fit(struct thread_data *td, const struct job *job)
{
    const struct homi_function_info *info = homi_lease_function(job->lease, 0);

    for (int way = 0; way < DDIR_RWDIR_CNT; way++) {
        if (td->o.min_bs[way] % job->namespace->block_bytes == 0 &&
            (way == DDIR_TRIM || td->o.max_bs[way] <= info->max_transfer_bytes))
            continue;
        log_err("homi: bs is no multiple of the namespace's block of %u bytes, or more than %u\n",
                job->namespace->block_bytes, info->max_transfer_bytes);
        td_verror(td, EINVAL, "bs");
        return 1;
    }
    if (td->o.iodepth < info->queue_entries_max)
        return 0;
    log_err("homi: iodepth is more than the controller's queues hold (%u)\n", info->queue_entries_max - 1);
    td_verror(td, EINVAL, "iodepth");
    return 1;
}

static int job_init(struct thread_data *td)
{
    struct homi_queue_options wanted = {.entries = td->o.iodepth + 1};
    struct job *job = calloc(1, sizeof(*job));
    int r;

    if (!job)
        return 1;
    job->events = calloc(td->o.iodepth, sizeof(*job->events));
    if (!job->events || attach(td, &job->homi, &job->lease, &job->namespace) != 0) {
        free(job->events);
        free(job);
        return 1;
    }
    td->io_ops_data = job;
    if (sizes_fit(td, job) != 0)
        return 1;
    r = homi_queue_pair_new(job->lease, &wanted, &job->pair);
    if (r == 0)
        r = homi_memory_new(job->lease, td->o.iodepth * sizeof(struct homi_nvme_dsm_range), 0, &job->ranges);
    if (r != 0)
        return failed(td, job->homi, "queue pair", r);
    job->queue = homi_queue_pair_queue(job->pair);
    return 0;
}

static int job_iomem_alloc(struct thread_data *td, size_t bytes)
{
    bool huge =
        td->o.mem_type == MEM_MMAPHUGE || td->o.mem_type == MEM_SHMHUGE || td->o.mem_type == MEM_MMAPSHARED;
    struct job *job = td->io_ops_data;
    int r = homi_memory_new(job->lease, bytes, huge ? HOMI_MEMORY_HUGEPAGES : 0, &job->buffers);

    if (r != 0)
        return failed(td, job->homi, "memory", r);
    td->orig_buffer = homi_memory_address(job->buffers);
    return 0;
}

static void job_iomem_free(struct thread_data *td)
{
    struct job *job = td->io_ops_data;

    if (job)
        homi_memory_free(job->buffers);
    td->orig_buffer = NULL;
}

static int put_trim(struct job *job, const struct io_u *io_u, uint64_t lba)
{
    struct homi_nvme_dsm_range *range = homi_memory_address(job->ranges);

    range += io_u->index;
    if (io_u->xfer_buflen >> job->namespace->block_shift > UINT32_MAX)
        return -E2BIG;
    *range = (struct homi_nvme_dsm_range){
        .blocks = (uint32_t)(io_u->xfer_buflen >> job->namespace->block_shift), .lba = lba};
    return homi_batch_deallocate(&job->batch, job->namespace, homi_memory_region(job->ranges), range, 1,
                                 (uintptr_t)io_u);
}

static int put(struct job *job, const struct io_u *io_u)
{
    uint64_t lba = io_u->offset >> job->namespace->block_shift;
    uint32_t bytes = (uint32_t)io_u->xfer_buflen;

    switch (io_u->ddir) {
    case DDIR_READ:
        return homi_batch_read(&job->batch, job->namespace, homi_memory_region(job->buffers), io_u->xfer_buf,
                               bytes, lba, (uintptr_t)io_u);
    case DDIR_WRITE:
        return homi_batch_write(&job->batch, job->namespace, homi_memory_region(job->buffers), io_u->xfer_buf,
                                bytes, lba, (uintptr_t)io_u);
    case DDIR_TRIM: return put_trim(job, io_u, lba);
    case DDIR_SYNC:
    case DDIR_DATASYNC: return homi_batch_flush(&job->batch, job->namespace, (uintptr_t)io_u);
    default: return -EOPNOTSUPP;
    }
}

static enum fio_q_status job_queue(struct thread_data *td, struct io_u *io_u)
{
    struct job *job = td->io_ops_data;
    int r;

    fio_ro_check(td, io_u);
    if (!job->open)
        job->batch = homi_batch_begin(job->queue);
    job->open = true;
    r = put(job, io_u);
    if (r == -EAGAIN)
        return FIO_Q_BUSY;
    if (r == 0)
        return FIO_Q_QUEUED;
    io_u->error = -r;
    return FIO_Q_COMPLETED;
}

static int job_commit(struct thread_data *td)
{
    struct job *job = td->io_ops_data;

    if (job->open)
        homi_batch_submit(&job->batch);
    job->open = false;
    return 0;
}

/* Polls between two looks at the clock, when fio gives a time. */
#define POLLS_PER_LOOK 4096u

static bool over(const struct timespec *start, const struct timespec *timeout)
{
    return timeout &&
           ntime_since_now(start) >= (uint64_t)timeout->tv_sec * 1000000000u + (uint64_t)timeout->tv_nsec;
}

static int job_getevents(struct thread_data *td, unsigned int min, unsigned int max,
                         const struct timespec *timeout)
{
    struct job *job = td->io_ops_data;
    unsigned int count = homi_queue_reap(job->queue, job->events, max);
    struct timespec start;

    if (count >= min)
        return (int)count;
    fio_gettime(&start, NULL);
    while (count < min && !over(&start, timeout)) {
        int r = homi_queue_wait(job->queue, job->events + count, max - count, POLLS_PER_LOOK);

        if (r < 0 && r != -ETIME) {
            log_err("homi: the controller is dead: %s\n", homi_strerror(r));
            return r;
        }
        count += r > 0 ? (unsigned int)r : 0;
    }
    return (int)count;
}

static struct io_u *job_event(struct thread_data *td, int event)
{
    struct job *job = td->io_ops_data;
    const struct homi_completion *completion = &job->events[event];
    struct io_u *io_u = (struct io_u *)(uintptr_t)completion->cookie;

    io_u->error = completion->status == 0 ? 0 : EIO;
    io_u->resid = completion->status == 0 ? 0 : io_u->xfer_buflen;
    return io_u;
}

static int job_open_file(struct thread_data *td, struct fio_file *file)
{
    (void)td, (void)file;
    return 0;
}

static int job_close_file(struct thread_data *td, struct fio_file *file)
{
    (void)td, (void)file;
    return 0;
}

/* fio finds the engine by this name. */
extern struct ioengine_ops ioengine __attribute__((visibility("default")));
struct ioengine_ops ioengine = {
    .name = "homi",
    .version = FIO_IOOPS_VERSION,
    .flags = FIO_RAWIO | FIO_NOEXTEND | FIO_NODISKUTIL | FIO_MEMALIGN,
    .setup = job_setup,
    .init = job_init,
    .cleanup = job_cleanup,
    .iomem_alloc = job_iomem_alloc,
    .iomem_free = job_iomem_free,
    .open_file = job_open_file,
    .close_file = job_close_file,
    .invalidate = job_close_file,
    .queue = job_queue,
    .commit = job_commit,
    .getevents = job_getevents,
    .event = job_event,
    .options = options,
    .option_struct_size = sizeof(struct job_options),
};
