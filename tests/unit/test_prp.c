/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Data pointers: walks what the host wrote as a controller does (Base 4.1.1) and compares the pages with
 * those that the buffer covers, for prebuilt tables, lists built on the fly, and scatter lists.
 */
#include <homi/io.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define REGION_BYTES (8u << 20)
#define REGION_IOVA  0x200000000ull
#define TABLE_IOVA   0x300000000ull
#define LISTS_IOVA   0x400000000ull
#define TRANSFER_MAX (4u << 20)
#define ENTRIES      5u
#define PAGES_MAX    (TRANSFER_MAX / 4096 + 1)

static unsigned char *buffer, *lists, *table;
static uint64_t lists_bytes, table_bytes;
static struct homi_queue queue;
static struct homi_queue_setup setup;
static struct homi_namespace ns;
static struct homi_region_map plain, prebuilt;
static volatile uint32_t doorbells[2];

static void *pages(uint64_t bytes, uint32_t page_bytes)
{
    void *memory = NULL;

    ck_assert_int_eq(posix_memalign(&memory, page_bytes, bytes), 0);
    memset(memory, 0xee, bytes);
    return memory;
}

static void start(uint32_t page_bytes)
{
    buffer = pages(REGION_BYTES, page_bytes);
    lists_bytes = homi_queue_lists_bytes(ENTRIES, TRANSFER_MAX, page_bytes);
    lists = pages(lists_bytes, page_bytes);
    table_bytes = homi_region_prp_table_bytes(REGION_BYTES, page_bytes);
    table = pages(table_bytes, page_bytes);
    setup = (struct homi_queue_setup){
        .sq = pages(page_bytes, page_bytes),
        .cq = pages(page_bytes, page_bytes),
        .sq_doorbell = &doorbells[0],
        .cq_doorbell = &doorbells[1],
        .cookies = calloc(ENTRIES + 1, sizeof(uint64_t)),
        .lists = lists,
        .lists_iova = LISTS_IOVA,
        .entries = ENTRIES,
        .page_bytes = page_bytes,
        .max_transfer_bytes = TRANSFER_MAX,
    };
    ck_assert_int_eq(homi_queue_init(&queue, &setup), 0);
    ck_assert_int_eq(homi_namespace_init(&ns, 1, 512, UINT64_MAX), 0);
    ck_assert_int_eq(homi_region_map_init(&plain, buffer, REGION_BYTES, REGION_IOVA), 0);
    prebuilt = plain;
    ck_assert_int_eq(homi_region_map_prebuild(&prebuilt, page_bytes, table, TABLE_IOVA), 0);
}

static void stop(void)
{
    free(buffer);
    free(lists);
    free(table);
    free(setup.sq);
    free(setup.cq);
    free(setup.cookies);
}

/* The list entry at a device address, which must lie in the memory that the host gave for lists. */
static uint64_t list_entry(uint64_t iova)
{
    uint64_t value;

    if (iova % 8 == 0 && iova >= TABLE_IOVA && iova + 8 <= TABLE_IOVA + table_bytes)
        memcpy(&value, table + (iova - TABLE_IOVA), 8);
    else if (iova % 8 == 0 && iova >= LISTS_IOVA && iova + 8 <= LISTS_IOVA + lists_bytes)
        memcpy(&value, lists + (iova - LISTS_IOVA), 8);
    else
        ck_abort_msg("a list pointer leads to %#llx", (unsigned long long)iova);
    return value;
}

/* The pages of a transfer in order, as a controller finds them. Returns how many. */
static uint32_t walk(const struct homi_nvme_command *command, uint32_t bytes, uint64_t found[PAGES_MAX])
{
    uint64_t page = queue.page_bytes, list = command->prp2;
    uint32_t left = (uint32_t)((command->prp1 % page + bytes + page - 1) / page) - 1, count = 1;

    found[0] = command->prp1;
    if (left == 1) {
        found[count++] = command->prp2;
        left = 0;
    }
    while (left > 0) {
        if (left > 1 && (list + 8) % page == 0) {
            list = list_entry(list);
            ck_assert(list % page == 0);
            continue;
        }
        found[count++] = list_entry(list);
        list += 8;
        left--;
    }
    return count;
}

static const struct homi_nvme_command *last_command(void)
{
    return (const struct homi_nvme_command *)setup.sq + (queue.sq_place / 8 + ENTRIES - 1) % ENTRIES;
}

/* Puts one read into the queue and makes its slot free again. */
static int read_once(const struct homi_region_map *region, uint64_t offset, uint32_t bytes)
{
    int error = homi_queue_read(&queue, &ns, region, buffer + offset, bytes, 0, 1);

    if (error == 0)
        setup.cookies[last_command()->cid] = HOMI_COOKIE_NONE;
    return error;
}

static uint32_t wrong_pages(uint64_t offset, uint32_t bytes)
{
    static uint64_t found[PAGES_MAX];
    uint32_t count = walk(last_command(), bytes, found), wrong = 0;
    uint64_t expected = REGION_IOVA + offset, end = expected + bytes;

    for (uint32_t i = 0; i < count;
         i++, expected = expected / queue.page_bytes * queue.page_bytes + queue.page_bytes)
        wrong += found[i] != expected;
    return wrong + (expected < end) + (expected - queue.page_bytes >= end);
}

static const uint32_t page_sizes[] = {4096, 8192, 65536};
static const uint32_t sizes[] = {512,     1024,    3584,    4096,    4608,    8192,    8704,
                                 12288,   61440,   65536,   66048,   131072,  1048576, 1048576 + 512,
                                 2093056, 2097152, 2101248, 2105344, 4190208, 4194304};

/* Each alignment of a dword within a page for each size, at starts that cross the table's pages. */
static void check_alignments(const struct homi_region_map *region, uint32_t page_bytes)
{
    uint32_t wrong = 0, refused = 0;

    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        uint32_t step = sizes[s] <= 65536 ? 4 : 508;

        for (uint64_t offset = 0; offset < page_bytes; offset += step) {
            uint64_t start_page = (uint64_t)(offset / 4 % (REGION_BYTES / 2 / page_bytes)) * page_bytes;

            if (start_page + offset + sizes[s] > REGION_BYTES)
                start_page = 0;
            refused += read_once(region, start_page + offset, sizes[s]) != 0;
            wrong += wrong_pages(start_page + offset, sizes[s]);
        }
    }
    ck_assert_uint_eq(refused, 0);
    ck_assert_uint_eq(wrong, 0);
}

START_TEST(lists_on_the_fly)
{
    start(page_sizes[_i]);
    check_alignments(&plain, page_sizes[_i]);
    stop();
}
END_TEST

START_TEST(lists_from_the_table)
{
    start(page_sizes[_i]);
    check_alignments(&prebuilt, page_sizes[_i]);
    stop();
}
END_TEST

START_TEST(table_serves_each_page)
{
    uint32_t page = page_sizes[_i], bytes = page * 5, wrong = 0;

    start(page);
    memset(lists, 0xee, lists_bytes);
    for (uint64_t offset = 0; offset + bytes <= REGION_BYTES; offset += page) {
        wrong += read_once(&prebuilt, offset, bytes) != 0;
        wrong += wrong_pages(offset, bytes);
        wrong += last_command()->prp2 < TABLE_IOVA || last_command()->prp2 >= TABLE_IOVA + table_bytes;
    }
    ck_assert_uint_eq(wrong, 0);
    for (uint64_t i = 0; i < lists_bytes; i++)
        wrong += lists[i] != 0xee;
    ck_assert_uint_eq(wrong, 0);
    stop();
}
END_TEST

START_TEST(table_of_another_page_size_is_not_used)
{
    start(8192);
    ck_assert_int_eq(homi_region_map_prebuild(&prebuilt, 65536, table, TABLE_IOVA), -EINVAL);
    prebuilt.prp_page_bytes = 4096;
    ck_assert_int_eq(read_once(&prebuilt, 0, 65536), 0);
    ck_assert_uint_ge(last_command()->prp2, LISTS_IOVA);
    ck_assert_uint_eq(wrong_pages(0, 65536), 0);
    stop();
}
END_TEST

/* The lists of all slots are in use at once, so none may reach into another. */
START_TEST(lists_of_slots_are_apart)
{
    static uint64_t found[PAGES_MAX];
    const struct homi_nvme_command *commands;
    uint32_t sizes_of[2] = {TRANSFER_MAX, 65536}, bytes, wrong = 0;

    start(4096);
    setup.max_transfer_bytes = bytes = sizes_of[_i];
    ck_assert_int_eq(homi_queue_init(&queue, &setup), 0);
    commands = setup.sq;
    for (uint32_t i = 0; i < ENTRIES - 1; i++)
        ck_assert_int_eq(homi_queue_read(&queue, &ns, &plain, buffer + 4 + i * 8192, bytes, 0, i), 0);
    for (uint32_t i = 0; i < ENTRIES - 1; i++) {
        uint32_t count = walk(&commands[i], bytes, found);

        ck_assert_uint_eq(count, bytes / 4096 + 1);
        for (uint32_t page = 1; page < count; page++)
            wrong += found[page] != REGION_IOVA + i * 8192 + page * 4096;
    }
    ck_assert_uint_eq(wrong, 0);
    stop();
}
END_TEST

START_TEST(scatter_lists)
{
    static uint64_t found[PAGES_MAX];
    static struct iovec vector[PAGES_MAX];
    struct homi_region_map halves[2];
    struct homi_region_set set = {halves, 2};
    uint32_t counts[] = {1, 2, 3, 4, 129, 511, 512, 513, 514, 1023, 1024}, count = counts[_i], wrong = 0;
    struct homi_batch batch;

    start(4096);
    ck_assert_int_eq(homi_region_map_init(&halves[0], buffer, REGION_BYTES / 2, REGION_IOVA), 0);
    ck_assert_int_eq(
        homi_region_map_init(&halves[1], buffer + REGION_BYTES / 2, REGION_BYTES / 2, 0x900000000ull), 0);
    /* Every other page, backwards; the first starts inside its page and the last ends inside its own. */
    for (uint32_t i = 0; i < count; i++)
        vector[i] = (struct iovec){buffer + (uint64_t)(count - 1 - i) * 8192, 4096};
    vector[0].iov_base = (unsigned char *)vector[0].iov_base + 1024;
    vector[0].iov_len = 3072;
    if (count > 1)
        vector[count - 1].iov_len = 1024;
    batch = homi_batch_begin(&queue);
    ck_assert_int_eq(homi_batch_readv(&batch, &ns, &set, vector, count, 5, 1), 0);
    homi_batch_submit(&batch);
    ck_assert_uint_eq(last_command()->cdw12 + 1, count == 1 ? 6 : (count - 1) * 8);
    ck_assert_uint_eq(walk(last_command(), count == 1 ? 3072 : (count - 1) * 4096, found), count);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t offset = (uint64_t)(unsigned char *)vector[i].iov_base - (uint64_t)buffer;

        wrong += found[i] !=
                 (offset < REGION_BYTES / 2 ? REGION_IOVA : 0x900000000ull - REGION_BYTES / 2) + offset;
    }
    ck_assert_uint_eq(wrong, 0);
    stop();
}
END_TEST

START_TEST(scatter_refusals)
{
    struct homi_region_set set = {&plain, 1};
    struct homi_batch batch;
    struct iovec vector[3];

    start(4096);
    batch = homi_batch_begin(&queue);
#define READV(count, ...)                                                                                    \
    (memcpy(vector, (struct iovec[]){__VA_ARGS__}, (count) * sizeof(*vector)),                               \
     homi_batch_readv(&batch, &ns, &set, vector, count, 0, 1))
    ck_assert_int_eq(READV(0, {buffer, 4096}), -EINVAL);
    ck_assert_int_eq(READV(1, {buffer, 0}), -EINVAL);
    ck_assert_int_eq(READV(1, {buffer, 513}), -EINVAL);
    ck_assert_int_eq(READV(1, {buffer + 1, 512}), -EINVAL);
    ck_assert_int_eq(READV(2, {buffer, 512}, {buffer + 4096, 4096}), -EINVAL);
    ck_assert_int_eq(READV(2, {buffer, 4096}, {buffer + 4096 + 512, 512}), -EINVAL);
    ck_assert_int_eq(READV(3, {buffer, 4096}, {buffer + 4096, 512}, {buffer + 8192, 4096}), -EINVAL);
    ck_assert_int_eq(READV(1, {buffer + REGION_BYTES - 4096, 4608}), -EFAULT);
    ck_assert_int_eq(READV(2, {buffer, 4096}, {buffer + REGION_BYTES, 4096}), -EFAULT);
    ck_assert_int_eq(READV(1, {buffer, TRANSFER_MAX + 512}), -E2BIG);
    ck_assert_int_eq(READV(2, {buffer, TRANSFER_MAX}, {buffer, 4096}), -E2BIG);
    ck_assert_int_eq(READV(1, {buffer, SIZE_MAX}), -E2BIG);
    queue.lists = NULL;
    ck_assert_int_eq(READV(2, {buffer, 4096}, {buffer, 4096}), 0);
    ck_assert_int_eq(READV(1, {buffer, 12288}), -ENOBUFS);
#undef READV
    homi_batch_submit(&batch);
    stop();
}
END_TEST

START_TEST(translation_is_bounded)
{
    uint64_t iova = 1;

    start(4096);
    ck_assert_int_eq(homi_region_translate(&plain, buffer, REGION_BYTES, &iova), 0);
    ck_assert_uint_eq(iova, REGION_IOVA);
    ck_assert_int_eq(homi_region_translate(&plain, buffer + 5, 1, &iova), 0);
    ck_assert_uint_eq(iova, REGION_IOVA + 5);
    ck_assert_int_eq(homi_region_translate(&plain, buffer, REGION_BYTES + 1ull, &iova), -EFAULT);
    ck_assert_int_eq(homi_region_translate(&plain, buffer - 1, 2, &iova), -EFAULT);
    ck_assert_int_eq(homi_region_translate(&plain, buffer - 1, UINT64_MAX, &iova), -EFAULT);
    ck_assert_int_eq(homi_region_translate(&plain, buffer + 1, UINT64_MAX, &iova), -EFAULT);
    ck_assert_uint_eq(iova, REGION_IOVA + 5);
    stop();
}
END_TEST

/* The last page of a region may be one in part: what lies in it is taken, what ends beyond it is not. */
START_TEST(region_ends_inside_a_page)
{
    struct homi_region_map map;

    start(4096);
    ck_assert_int_eq(homi_region_map_init(&map, buffer, 65536 + 1024, REGION_IOVA), 0);
    ck_assert_int_eq(homi_region_map_prebuild(&map, 4096, table, TABLE_IOVA), 0);
    ck_assert_int_eq(read_once(&map, 65536 + 512, 512), 0);
    ck_assert_uint_eq(wrong_pages(65536 + 512, 512), 0);
    ck_assert_int_eq(read_once(&map, 1024, 65536), 0);
    ck_assert_uint_eq(wrong_pages(1024, 65536), 0);
    ck_assert_int_eq(read_once(&map, 65536, 1536), -EFAULT);
    ck_assert_int_eq(read_once(&map, 65536 + 1024, 512), -EFAULT);
    ck_assert_int_eq(read_once(&map, 65536, 4096), -EFAULT);
    ck_assert_int_eq(read_once(&map, 1536, 65536), -EFAULT);
    ck_assert_int_eq(read_once(&map, 0, 65536 + 1536), -EFAULT);
    ck_assert_int_eq(read_once(&map, (uint64_t)-4096, 8192), -EFAULT);
    stop();
}
END_TEST

START_TEST(region_maps_are_checked)
{
    struct homi_region_map map;

    start(4096);
    ck_assert_int_eq(homi_region_map_init(&map, NULL, 4096, 4096), -EINVAL);
    ck_assert_int_eq(homi_region_map_init(&map, buffer, 0, 0), -EINVAL);
    ck_assert_int_eq(homi_region_map_init(&map, buffer + 512, 4096, 0), -EINVAL);
    ck_assert_int_eq(homi_region_map_init(&map, buffer, 4096, 512), -EINVAL);
    ck_assert_int_eq(homi_region_map_init(&map, buffer, UINT64_MAX, 0), -EINVAL);
    ck_assert_int_eq(homi_region_map_init(&map, buffer, 8192, UINT64_MAX - 4095), -EINVAL);
    ck_assert_int_eq(homi_region_map_init(&map, buffer, 8192, UINT64_MAX - 8191), 0);
    ck_assert_int_eq(homi_region_map_prebuild(&plain, 4096, table + 8, TABLE_IOVA), -EINVAL);
    ck_assert_int_eq(homi_region_map_prebuild(&plain, 4096, table, TABLE_IOVA + 8), -EINVAL);
    ck_assert_int_eq(homi_region_map_prebuild(&plain, 512, table, TABLE_IOVA), -EINVAL);
    ck_assert_int_eq(homi_region_map_prebuild(&plain, 5000, table, TABLE_IOVA), -EINVAL);
    ck_assert_uint_eq(plain.prp_reach_pages, 0);
    stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("prp");
    TCase *tcase = tcase_create("prp");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, lists_on_the_fly, 0, 3);
    tcase_add_loop_test(tcase, lists_from_the_table, 0, 3);
    tcase_add_loop_test(tcase, table_serves_each_page, 0, 3);
    tcase_add_test(tcase, table_of_another_page_size_is_not_used);
    tcase_add_loop_test(tcase, lists_of_slots_are_apart, 0, 2);
    tcase_add_loop_test(tcase, scatter_lists, 0, 11);
    tcase_add_test(tcase, scatter_refusals);
    tcase_add_test(tcase, translation_is_bounded);
    tcase_add_test(tcase, region_ends_inside_a_page);
    tcase_add_test(tcase, region_maps_are_checked);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
