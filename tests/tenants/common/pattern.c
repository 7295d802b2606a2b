/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/tenants/common/pattern.h"

#include <inttypes.h>
#include <stdio.h>

#define MAGIC      UINT64_C(0x415441444d4f4821) /* "!HOMDATA" */
#define UNIT_WORDS (PATTERN_UNIT_BYTES / 8)

struct unit {
    uint64_t magic, seed, position, generation;
    uint64_t words[UNIT_WORDS - 4];
};

/* The finaliser of splitmix64: any two headers get unrelated words. */
static uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

static uint64_t first_word(uint64_t position, uint64_t seed, uint64_t generation)
{
    return mix(mix(mix(seed) + position) + generation);
}

void pattern_fill(void *buffer, size_t bytes, uint64_t position, uint64_t seed, uint64_t generation)
{
    struct unit *unit = buffer;

    for (size_t done = 0; done < bytes; done += PATTERN_UNIT_BYTES, unit++) {
        uint64_t word = first_word(position + done, seed, generation);

        unit->magic = MAGIC;
        unit->seed = seed;
        unit->position = position + done;
        unit->generation = generation;
        for (size_t i = 0; i < UNIT_WORDS - 4; i++)
            unit->words[i] = word += UINT64_C(0x9e3779b97f4a7c15);
    }
}

static enum pattern_defect check_unit(const struct unit *unit, uint64_t position, uint64_t seed,
                                      uint64_t generation)
{
    uint64_t word = first_word(position, seed, unit->generation);

    if (unit->magic != MAGIC)
        return PATTERN_NOT_WRITTEN;
    if (unit->seed != seed)
        return PATTERN_OTHER_WRITER;
    if (unit->position != position)
        return PATTERN_MISPLACED;
    if (generation != PATTERN_GENERATION_ANY && unit->generation != generation)
        return PATTERN_OTHER_GENERATION;
    for (size_t i = 0; i < UNIT_WORDS - 4; i++)
        if (unit->words[i] != (word += UINT64_C(0x9e3779b97f4a7c15)))
            return PATTERN_TORN;
    return PATTERN_OK;
}

struct pattern_result pattern_check(const void *buffer, size_t bytes, uint64_t position, uint64_t seed,
                                    uint64_t generation)
{
    const struct unit *unit = buffer;

    for (size_t done = 0; done < bytes; done += PATTERN_UNIT_BYTES, unit++) {
        enum pattern_defect defect = check_unit(unit, position + done, seed, generation);

        if (defect != PATTERN_OK)
            return (struct pattern_result){defect, position + done, unit->position, unit->seed,
                                           unit->generation};
    }
    return (struct pattern_result){.defect = PATTERN_OK};
}

void pattern_complain(const struct pattern_result *result)
{
    static const char *const texts[] = {
        [PATTERN_OK] = "right",
        [PATTERN_NOT_WRITTEN] = "holds no test data",
        [PATTERN_OTHER_WRITER] = "was written by another",
        [PATTERN_MISPLACED] = "belongs elsewhere",
        [PATTERN_OTHER_GENERATION] = "is of another generation",
        [PATTERN_TORN] = "is torn",
    };

    fprintf(stderr,
            "miscompare: the data at byte %" PRIu64 " %s (found: position %" PRIu64 ", seed %" PRIu64
            ", generation %" PRIu64 ")\n",
            result->position, texts[result->defect], result->found_position, result->found_seed,
            result->found_generation);
}
