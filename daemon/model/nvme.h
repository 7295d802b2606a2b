/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands, completions and status codes as the model handles them; the structures of data are libnvme's. */
#ifndef HOMI_DAEMON_MODEL_NVME_H
#define HOMI_DAEMON_MODEL_NVME_H

#include <libnvme.h>
#include <stdint.h>

/* A submission queue entry (NVMe Base 2.0, section 3.3.3.1). */
struct nvme_command {
    uint8_t opcode;
    uint8_t flags; /* PSDT in bits 7:6, FUSE in bits 1:0 */
    uint16_t cid;
    uint32_t nsid;
    uint32_t dword2, dword3;
    uint64_t metadata;
    uint64_t prp1, prp2;
    uint32_t dword10, dword11, dword12, dword13, dword14, dword15;
};
_Static_assert(sizeof(struct nvme_command) == 64, "section 3.3.3.1");

/* The status field of a completion without phase: bits 10:8 SCT, bits 7:0 SC (section 3.3.3.2.1). */
#define STATUS(type, code) ((uint16_t)((type) << NVME_SCT_SHIFT | (code)))
#define GENERIC(name)      STATUS(NVME_SCT_GENERIC, NVME_SC_##name)
#define SPECIFIC(name)     STATUS(NVME_SCT_CMD_SPECIFIC, NVME_SC_##name)
#define MEDIA(name)        STATUS(NVME_SCT_MEDIA, NVME_SC_##name)

#define STATUS_ABORTED_SQ_DELETION STATUS(NVME_SCT_GENERIC, 0x08)
#define STATUS_LATER               UINT16_MAX /* not a status: the command completes some other time */

#define PAGE_SHIFT 12
#define PAGE_BYTES 4096u /* CC.MPS is 0: CAP.MPSMIN and MPSMAX allow nothing else */

#define NSID_ALL UINT32_MAX

/* Registers (NVMe over PCIe 1.0, figure 4). */
enum {
    REGISTER_CAP = 0x00,
    REGISTER_VS = 0x08,
    REGISTER_CC = 0x14,
    REGISTER_CSTS = 0x1c,
    REGISTER_AQA = 0x24,
    REGISTER_ASQ = 0x28,
    REGISTER_ACQ = 0x30,

    CSTS_READY = 1,
    CSTS_FATAL = 2,
};

#endif
