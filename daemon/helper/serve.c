/* SPDX-License-Identifier: BSD-3-Clause */
/* The helper's side: one job after the other until homid closes the socket. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/helper/wire.h"
#include "daemon/hw/linux/jobs.h"

void helper_fail(struct helper_output *output, int error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int used = vsnprintf(output->reason, sizeof(output->reason), format, arguments);
    va_end(arguments);
    if (used >= 0 && (size_t)used < sizeof(output->reason))
        snprintf(output->reason + used, sizeof(output->reason) - (size_t)used, ": %s", strerror(-error));
    output->error = error;
}

static void close_fds(struct helper_output *output)
{
    for (size_t i = 0; i < output->fd_count; i++)
        close(output->fds[i]);
    output->fd_count = 0;
}

int helper_reply(int socket, struct helper_output *output, struct helper_body *body)
{
    int r = 0;

    if (output->error)
        close_fds(output);
    body->error = output->error;
    body->nvme_status = output->nvme_status;
    body->bytes = output->error ? 0 : (uint32_t)output->bytes;
    body->fd_count = (uint32_t)output->fd_count;
    memcpy(body->reason, output->reason, sizeof(body->reason));
    if (output->fd_count)
        r = helper_send_fds(socket, output->fds, output->fd_count);
    close_fds(output);
    return r < 0 ? r : helper_send_body(socket, body, NULL, 0);
}

int helper_serve(int socket, const helper_job *jobs, size_t job_count)
{
    struct helper_inbox *inbox = calloc(1, sizeof(*inbox));
    struct helper_output *output = calloc(1, sizeof(*output));
    struct helper_body *answer = calloc(1, sizeof(*answer));
    int r = inbox && output && answer ? 0 : -ENOMEM;

    while (r >= 0) {
        r = helper_receive(socket, inbox);
        if (r <= 0)
            continue;
        const struct helper_input input = {.data = inbox->body.data,
                                           .bytes = inbox->body.bytes,
                                           .fds = inbox->fds,
                                           .fd_count = inbox->fd_count};
        *output = (struct helper_output){.data = answer->data};
        if (inbox->body.job < job_count)
            jobs[inbox->body.job](&input, output);
        else
            helper_fail(output, -ENOSYS, "job %u", inbox->body.job);
        helper_inbox_clear(inbox);
        if (output->claims)
            close(output->claim);
        r = helper_reply(socket, output, answer);
    }
    if (inbox)
        helper_inbox_clear(inbox);
    free(inbox);
    free(output);
    free(answer);
    return r == -EPIPE ? EXIT_SUCCESS : EXIT_FAILURE;
}

int helper_main(int socket)
{
    return helper_serve(socket, hw_linux_jobs, HW_LINUX_JOB_COUNT);
}
