/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/lease.h"
#include "tests/hostile/hostile.h"

#define LIST_CALL "{\"method\":\"io.homi.Tenant.ListTenants\"}"

enum { PATIENCE_MILLISECONDS = 20000 };

static void end(const struct attacker *attacker, const char *what, int r)
{
    fprintf(stderr, "  cannot attack: %s: %s %s\n", what, homi_strerror(r),
            attacker->homi ? homi_error_text(attacker->homi) : "");
    exit(4);
}

void attacker_connect(struct attacker *attacker)
{
    int r = homi_open(attacker->setup->socket, &attacker->homi);

    if (r != 0)
        end(attacker, "connecting", r);
}

/* libhomi maps the registers for reading only; whoever has the descriptor maps them as it likes. */
static void map_bar(struct attacker *attacker)
{
    const struct lease_function *function = &attacker->lease->functions[0];

    if (function->device_fd < 0)
        return;
    void *bar = mmap(NULL, function->bar_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, function->device_fd,
                     (off_t)function->bar_offset);
    if (bar == MAP_FAILED)
        end(attacker, "mapping the BAR", -errno);
    attacker->bar = bar;
    attacker->bar_bytes = function->bar_bytes;
}

void attacker_attach(struct attacker *attacker)
{
    const struct homi_attach_options options = {
        .tenant = attacker->tenant, .mode = HOMI_ATTACH_FRESH, .wait_milliseconds = 10000};
    const struct homi_queue_options queue = {.entries = DEPTH};
    uint64_t begin = microseconds_now();
    int r;

    if (!attacker->homi)
        attacker_connect(attacker);
    /* What an earlier attack broke may still be on its way back. */
    while ((r = homi_attach(attacker->homi, &options, &attacker->lease)) > 0 &&
           microseconds_now() - begin < PATIENCE_MILLISECONDS * UINT64_C(1000))
        pause_milliseconds(50);
    if (r == 0)
        r = homi_memory_new(attacker->lease, ATTACKER_BYTES, 0, &attacker->memory);
    if (r == 0)
        r = homi_queue_pair_new(attacker->lease, &queue, &attacker->pair);
    if (r != 0)
        end(attacker, "setting up", r);
    attacker->queue = homi_queue_pair_queue(attacker->pair);
    attacker->region = homi_memory_region(attacker->memory);
    attacker->space = homi_function_namespace(attacker->lease, 0, 0);
    attacker->bytes = homi_memory_address(attacker->memory);
    if (!attacker->space)
        end(attacker, "a namespace", 0);
    map_bar(attacker);
}

int got(const char *format, ...)
{
    va_list arguments;

    fputs("  the attack got somewhere: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return 1;
}

int aim(struct attacker *attacker, uint8_t opcode, uint32_t namespace_id, uint64_t iova, uint32_t bytes)
{
    const struct homi_nvme_command command = {.opcode = opcode,
                                              .nsid = namespace_id,
                                              .prp1 = iova,
                                              .cdw12 = bytes / attacker->space->block_bytes - 1};
    struct homi_completion done;
    struct homi_batch batch = homi_batch_begin(attacker->queue);
    int r = homi_batch_raw(&batch, &command, 1);

    homi_batch_submit(&batch);
    if (r == 0)
        r = homi_queue_wait(attacker->queue, &done, 1, UINT64_C(1) << 28);
    if (r <= 0)
        return r < 0 ? r : -ETIMEDOUT;
    return homi_nvme_status(done.status);
}

bool lost_lease(struct attacker *attacker, unsigned milliseconds)
{
    static uint8_t data[HOMI_IDENTIFY_BYTES];
    uint64_t begin = microseconds_now();

    while (homi_queue_health(attacker->queue) == 0 && homi_identify(attacker->lease, 0, 1, 0, data) == 0 &&
           microseconds_now() - begin < milliseconds * UINT64_C(1000))
        pause_milliseconds(20);
    /* A call that hangs does not count as having been told. */
    return microseconds_now() - begin < milliseconds * UINT64_C(1000);
}

int expect(struct attacker *attacker, const char *method, const char *error, const char *format, ...)
{
    char name[128], parameters[1024], *reply = NULL;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(parameters, sizeof(parameters), format, arguments);
    va_end(arguments);
    snprintf(name, sizeof(name), "io.homi.Tenant.%s", method);
    int r = homi_call(attacker->homi, name, parameters, &reply);
    free(reply);
    const char *said = r > 0 ? homi_error_name(attacker->homi) : "";
    if (r < 0 || (error[0] ? !strstr(said, error) : r > 0))
        return got("%s %s: expected '%s', not '%s' (%s)", method, parameters, error, said, homi_strerror(r));
    return 0;
}

bool serves(struct attacker *attacker)
{
    int socket = raw_connect(attacker->setup->socket);
    int r = socket < 0 ? socket : raw_call(socket, LIST_CALL, NULL, 0, attacker->reply);

    if (socket >= 0)
        close(socket);
    return r == 1;
}
