/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NVMe wire structures of the I/O path: what lies in submission and completion queues, as the specification
 * lays it out, and names for its values. Depends on nothing else. Everything is little-endian, as are the
 * hosts served.
 *
 * "Base" is the NVM Express Base Specification 2.0, "NVM" the NVM Command Set Specification 1.0.
 */
#ifndef HOMI_NVME_H
#define HOMI_NVME_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "homi: NVMe queues are little-endian and so must be the host"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of a submission and of a completion queue entry (Base 3.3.3). */
#define HOMI_NVME_SQE_BYTES 64u
#define HOMI_NVME_CQE_BYTES 16u

/* An NLB field is 16 bits wide and counts from zero (NVM 3.2.4, 3.2.6). */
#define HOMI_NVME_BLOCKS_MAX 65536u

/* A namespace identifier that means every namespace of the controller (Base 3.2.1). */
#define HOMI_NVME_NSID_ALL 0xffffffffu

/* Submission queue entry (Base 3.3.3.1). The command identifier of a command given to homi_batch_raw() is
 * overwritten. */
struct homi_nvme_command {
    uint8_t opcode;
    uint8_t flags; /* FUSE in bits 1:0, PSDT in bits 7:6 (0: PRPs) */
    uint16_t cid;
    uint32_t nsid;
    uint32_t cdw2;
    uint32_t cdw3;
    uint64_t mptr;
    uint64_t prp1;
    uint64_t prp2;
    uint32_t cdw10;
    uint32_t cdw11;
    uint32_t cdw12;
    uint32_t cdw13;
    uint32_t cdw14;
    uint32_t cdw15;
};

/* Completion queue entry (Base 3.3.3.2). status holds the phase tag in bit 0 and the status field above it.
 */
struct homi_nvme_completion {
    uint32_t result;
    uint32_t result_high;
    uint16_t sq_head;
    uint16_t sq_id;
    uint16_t cid;
    uint16_t status;
};

/* A range of Dataset Management (NVM 3.2.3). blocks counts from one; context may be 0. */
struct homi_nvme_dsm_range {
    uint32_t context;
    uint32_t blocks;
    uint64_t lba;
};

/* A source range of Copy in descriptor format 0 (NVM 3.2.2). blocks_zero_based counts from zero. */
struct homi_nvme_copy_range {
    uint64_t reserved0;
    uint64_t lba;
    uint16_t blocks_zero_based;
    uint16_t reserved18;
    uint32_t reserved20;
    uint32_t reference_tag;
    uint16_t application_tag;
    uint16_t application_tag_mask;
};

static_assert(sizeof(struct homi_nvme_command) == HOMI_NVME_SQE_BYTES, "SQE is 64 B");
static_assert(sizeof(struct homi_nvme_completion) == HOMI_NVME_CQE_BYTES, "CQE is 16 B");
static_assert(sizeof(struct homi_nvme_dsm_range) == 16, "DSM range is 16 B");
static_assert(sizeof(struct homi_nvme_copy_range) == 32, "copy range is 32 B");

/* Most ranges of one Dataset Management or Copy command: NR is 8 bits wide and counts from zero
 * (NVM 3.2.2, 3.2.3). */
#define HOMI_NVME_RANGES_MAX 256u

/* I/O command opcodes (Base 7, NVM 3). Bits 1:0 are the data direction. */
enum homi_nvme_opcode {
    HOMI_NVME_FLUSH = 0x00,
    HOMI_NVME_WRITE = 0x01,
    HOMI_NVME_READ = 0x02,
    HOMI_NVME_WRITE_UNCORRECTABLE = 0x04,
    HOMI_NVME_COMPARE = 0x05,
    HOMI_NVME_WRITE_ZEROES = 0x08,
    HOMI_NVME_DATASET_MANAGEMENT = 0x09,
    HOMI_NVME_VERIFY = 0x0c,
    HOMI_NVME_COPY = 0x19,
};

/* Bits of command dword 12 of Read, Write, Compare, Verify and Write Zeroes (NVM 3.2.1, 3.2.4 to 3.2.8). */
#define HOMI_NVME_LIMITED_RETRY     (1u << 31)
#define HOMI_NVME_FORCE_UNIT_ACCESS (1u << 30)
#define HOMI_NVME_DEALLOCATE_ZEROES (1u << 25) /* Write Zeroes: DEAC */

/* Bits of command dword 11 of Dataset Management (NVM 3.2.3). */
#define HOMI_NVME_DSM_INTEGRAL_READ  (1u << 0)
#define HOMI_NVME_DSM_INTEGRAL_WRITE (1u << 1)
#define HOMI_NVME_DSM_DEALLOCATE     (1u << 2)

/* Bits of ONCS, the optional commands of a controller (Base 5.17.2.1). */
#define HOMI_NVME_ONCS_COMPARE            (1u << 0)
#define HOMI_NVME_ONCS_DATASET_MANAGEMENT (1u << 2)
#define HOMI_NVME_ONCS_WRITE_ZEROES       (1u << 3)
#define HOMI_NVME_ONCS_VERIFY             (1u << 7)
#define HOMI_NVME_ONCS_COPY               (1u << 8)

/* Controller status register, CSTS (Base 3.1.3.6). It reads as all ones when the function is gone from the
 * bus. */
#define HOMI_NVME_CSTS_READY 0x1u
#define HOMI_NVME_CSTS_FATAL 0x2u
#define HOMI_NVME_CSTS_GONE  0xffffffffu

/* Status code types (Base 3.3.3.2.1). */
enum homi_nvme_status_type {
    HOMI_NVME_TYPE_GENERIC = 0,
    HOMI_NVME_TYPE_COMMAND = 1,
    HOMI_NVME_TYPE_MEDIA = 2,
    HOMI_NVME_TYPE_PATH = 3,
    HOMI_NVME_TYPE_VENDOR = 7,
};

/* The statuses that an I/O path meets: type << 8 | code (Base 3.3.3.2.1, NVM 3.1.2). */
enum homi_nvme_status {
    HOMI_NVME_SUCCESS = 0x000,
    HOMI_NVME_INVALID_OPCODE = 0x001,
    HOMI_NVME_INVALID_FIELD = 0x002,
    HOMI_NVME_CID_CONFLICT = 0x003,
    HOMI_NVME_DATA_TRANSFER_ERROR = 0x004,
    HOMI_NVME_INTERNAL_ERROR = 0x006,
    HOMI_NVME_ABORT_REQUESTED = 0x007,
    HOMI_NVME_ABORTED_SQ_DELETION = 0x008,
    HOMI_NVME_INVALID_NAMESPACE = 0x00b,
    HOMI_NVME_PRP_OFFSET_INVALID = 0x013,
    HOMI_NVME_NAMESPACE_WRITE_PROTECTED = 0x020,
    HOMI_NVME_LBA_OUT_OF_RANGE = 0x080,
    HOMI_NVME_CAPACITY_EXCEEDED = 0x081,
    HOMI_NVME_NAMESPACE_NOT_READY = 0x082,
    HOMI_NVME_RESERVATION_CONFLICT = 0x083,
    HOMI_NVME_CONFLICTING_ATTRIBUTES = 0x180,
    HOMI_NVME_READ_ONLY_RANGE = 0x182,
    HOMI_NVME_WRITE_FAULT = 0x280,
    HOMI_NVME_UNRECOVERED_READ = 0x281,
    HOMI_NVME_COMPARE_FAILURE = 0x285,
    HOMI_NVME_ACCESS_DENIED = 0x286,
    HOMI_NVME_UNWRITTEN_BLOCK = 0x287,
};

/*
 * Parts of a status field without its phase tag, as struct homi_completion carries it (Base 3.3.3.2.1).
 * 0 is success. homi_nvme_status() is type and code together, to be compared with enum homi_nvme_status.
 */
static inline unsigned homi_nvme_status_code(uint16_t status)
{
    return status & 0xffu;
}

static inline unsigned homi_nvme_status_type(uint16_t status)
{
    return (status >> 8) & 0x7u;
}

static inline unsigned homi_nvme_status(uint16_t status)
{
    return status & 0x7ffu;
}

/* The controller asks that the command is not sent again (DNR). */
static inline bool homi_nvme_status_do_not_retry(uint16_t status)
{
    return (status & 0x4000u) != 0;
}

/* The error information log page has more about it (M). */
static inline bool homi_nvme_status_more(uint16_t status)
{
    return (status & 0x2000u) != 0;
}

#ifdef __cplusplus
}
#endif

#endif
