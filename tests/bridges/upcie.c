/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A tenant that drives its queue pair with uPCIe, through <homi/upcie.h>: writes data, reads it back over
 * more laps of the ring than one, and meets the bridge's refusals. Built by `make check-upcie
 * UPCIE=DIRECTORY` where uPCIe's headers lie.
 */
#define _UPCIE_WITH_NVME
#include <upcie/upcie.h>

#include <homi/homi.h>
#include <homi/upcie.h>

#define ROUNDS      600
#define BLOCK_BYTES 131072u /* more than two pages: uPCIe makes a PRP list of it */
#define NVME_WRITE  0x01
#define NVME_READ   0x02

static int failed(const char *step, int error)
{
    fprintf(stderr, "upcie: %s: %s\n", step, homi_strerror(error));
    return 1;
}

static int transfer(struct homi_upcie *bridge, const struct homi_namespace *ns, uint8_t opcode, void *buffer,
                    uint64_t lba)
{
    struct nvme_request *request = nvme_request_alloc(bridge->qpair.rpool);
    struct nvme_completion completion;
    struct nvme_command command = {.opc = opcode, .nsid = ns->id};
    int r;

    command.cid = request->cid;
    command.cdw10 = (uint32_t)lba;
    command.cdw12 = (BLOCK_BYTES >> ns->block_shift) - 1;
    nvme_request_prep_command_prps_contig(request, &bridge->heap, buffer, BLOCK_BYTES, &command);
    nvme_qpair_enqueue(&bridge->qpair, &command);
    nvme_qpair_sqdb_update(&bridge->qpair);
    homi_upcie_rang(bridge);
    r = nvme_qpair_reap_cpl(&bridge->qpair, 5000, &completion);
    nvme_request_free(bridge->qpair.rpool, request->cid);
    return r != 0 ? r : completion.status >> 1 == 0 ? 0 : -EIO;
}

static int verify(struct homi_upcie *bridge, const struct homi_namespace *ns)
{
    uint32_t *written = hostmem_dma_malloc(&bridge->heap, BLOCK_BYTES);
    uint32_t *found = hostmem_dma_malloc(&bridge->heap, BLOCK_BYTES);

    if (!written || !found)
        return failed("uPCIe's heap", -ENOMEM);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint64_t lba = (uint64_t)(round % 8) * (BLOCK_BYTES >> ns->block_shift);
        int r;

        for (uint32_t i = 0; i < BLOCK_BYTES / 4; i++)
            written[i] = round * 0x9e3779b9u + i;
        memset(found, 0, BLOCK_BYTES);
        r = transfer(bridge, ns, NVME_WRITE, written, lba);
        if (r == 0)
            r = transfer(bridge, ns, NVME_READ, found, lba);
        if (r != 0)
            return failed("command", r);
        if (memcmp(written, found, BLOCK_BYTES) != 0)
            return failed("the data that was read", -EILSEQ);
    }
    return 0;
}

/* In the order in which the bridge looks. */
static int refusals(struct homi_queue *queue, const struct homi_region_map *region,
                    const struct homi_namespace *ns, const struct homi_region_map *small)
{
    static struct homi_upcie bridge;
    struct homi_region_map vast = *region;
    struct homi_completion completion;

    vast.bytes = (64ull << HOMI_UPCIE_UNIT_SHIFT) + 1;
    if (homi_upcie_fill(&bridge, queue, &vast) != -E2BIG || homi_upcie_fill(&bridge, queue, small) != -ENOMEM)
        return failed("a region of the wrong size", -EINVAL);
    if (homi_queue_flush(queue, ns, 1) != 0 || homi_upcie_fill(&bridge, queue, region) != -EBUSY ||
        homi_queue_wait(queue, &completion, 1, UINT64_MAX) != 1)
        return failed("a busy queue", -EINVAL);
    return 0;
}

int main(void)
{
    static struct homi_upcie bridge;
    struct homi *homi;
    struct homi_lease *lease;
    struct homi_memory *memory, *small;
    struct homi_queue_pair *pair;
    const struct homi_namespace *ns;
    int r = homi_open(NULL, &homi), status;

    if (r != 0)
        return failed("connect", r);
    if ((r = homi_attach(homi, NULL, &lease)) != 0 ||
        (r = homi_memory_new(lease, 16u << 20, 0, &memory)) != 0 ||
        (r = homi_memory_new(lease, 1u << 20, 0, &small)) != 0 ||
        (r = homi_queue_pair_new(lease, NULL, &pair)) != 0) {
        homi_close(homi);
        return failed("lease", r);
    }
    ns = homi_function_namespace(lease, 0, 0);
    status = refusals(homi_queue_pair_queue(pair), homi_memory_region(memory), ns, homi_memory_region(small));
    r = homi_upcie_fill(&bridge, homi_queue_pair_queue(pair), homi_memory_region(memory));
    if (status == 0)
        status = r != 0 ? failed("the bridge", r) : verify(&bridge, ns);
    homi_close(homi);
    if (status == 0)
        printf("upcie: %d blocks of %u B written, read and compared\n", ROUNDS, BLOCK_BYTES);
    return status;
}
