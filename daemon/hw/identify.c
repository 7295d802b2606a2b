/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/hw/identify.h"

#include <endian.h>
#include <errno.h>
#include <libnvme.h>

enum { BLOCK_SHIFT_MIN = 9, BLOCK_SHIFT_MAX = 16 };

int identify_namespace_parse(const struct nvme_id_ns *data, uint32_t id, struct hw_namespace *ret_namespace)
{
    unsigned format = (data->flbas & 0xf) | (data->flbas & 0x60) >> 1;
    uint64_t blocks = le64toh(data->nsze);

    if (blocks == 0)
        return -ENOENT;
    unsigned shift = data->lbaf[format].ds;
    if (shift < BLOCK_SHIFT_MIN || shift > BLOCK_SHIFT_MAX || blocks > UINT64_MAX >> shift)
        return -EIO;
    *ret_namespace = (struct hw_namespace){
        .id = id,
        .block_bytes = UINT32_C(1) << shift,
        .blocks = blocks,
        .shareable = data->nmic & NVME_NS_NMIC_SHARED,
    };
    return 0;
}

void identify_text(const char *field, size_t bytes, char *ret_text)
{
    while (bytes > 0 && (field[bytes - 1] == ' ' || field[bytes - 1] == '\0'))
        bytes--;
    for (size_t i = 0; i < bytes; i++)
        ret_text[i] = field[i] >= ' ' && field[i] <= '~' ? field[i] : '?';
    ret_text[bytes] = '\0';
}
