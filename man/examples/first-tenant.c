/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A first tenant: writes one block of its first namespace, reads it back and compares. It destroys what the
 * block held.
 *
 *     cc first-tenant.c $(pkg-config --cflags --libs homi) -o first-tenant && ./first-tenant blue
 */
#include <homi/homi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ends the program when a call failed: homid's refusals come in words, the machine's errors as an errno. */
static void check(const char *what, int error, const struct homi *homi)
{
    if (error == 0)
        return;
    fprintf(stderr, "%s: %s\n", what, error > 0 ? homi_error_text(homi) : homi_strerror(error));
    exit(EXIT_FAILURE); /* homid takes back whatever the process held */
}

/* Polls for the completion of the one command in flight; its status is 0 when it succeeded. */
static void complete(const char *what, struct homi_queue *queue)
{
    struct homi_completion done;
    int count = homi_queue_wait(queue, &done, 1, UINT64_MAX);

    check(what, count < 0 ? count : 0, NULL);
    if (done.status != 0) {
        fprintf(stderr, "%s: NVMe status 0x%03x\n", what, homi_nvme_status(done.status));
        exit(EXIT_FAILURE);
    }
}

int main(int argc, char **argv)
{
    struct homi_attach_options options = {.tenant = argc > 1 ? argv[1] : NULL};
    struct homi *homi = NULL;
    struct homi_lease *lease;
    struct homi_memory *memory;
    struct homi_queue_pair *pair;

    check("connecting to homid", homi_open(NULL, &homi), homi);
    check("attaching to a virtual function", homi_attach(homi, &options, &lease), homi);
    check("registering memory", homi_memory_new(lease, 1 << 20, 0, &memory), homi);
    check("creating a queue pair", homi_queue_pair_new(lease, NULL, &pair), homi);

    const struct homi_namespace *namespace = homi_function_namespace(lease, 0, 0);
    const struct homi_region_map *region = homi_memory_region(memory);
    struct homi_queue *queue = homi_queue_pair_queue(pair);
    char *written = homi_memory_address(memory), *read = written + (512 << 10);

    if (!namespace) {
        fprintf(stderr, "the lease has no namespace\n");
        return EXIT_FAILURE;
    }
    /* From here on, no system call: the commands go from this process to the SSD. */
    snprintf(written, namespace->block_bytes, "Hello from %s.", homi_lease_function(lease, 0)->name);
    check("writing", homi_queue_write(queue, namespace, region, written, namespace->block_bytes, 0, 1), homi);
    complete("writing", queue);
    check("reading", homi_queue_read(queue, namespace, region, read, namespace->block_bytes, 0, 2), homi);
    complete("reading", queue);

    int different = memcmp(written, read, namespace->block_bytes);
    printf("%s: %s\n", different ? "NOT what was written" : "read back", read);
    homi_close(homi); /* gives back the queue pair, the memory and the virtual function */
    return different ? EXIT_FAILURE : EXIT_SUCCESS;
}
