/* SPDX-License-Identifier: BSD-3-Clause */
/* The inputs that fuzzing is begun with, and those that it once found something with, are tried each time. */
#include <check.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CORPORA "tests/fuzz/corpus"

static struct dirent **targets; /* a folder each */

START_TEST(a_corpus_passes)
{
    char program[PATH_MAX], command[2 * PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);

    ck_assert_int_gt(length, 0);
    program[length] = '\0';
    strcpy(strrchr(program, '/'), "/..");
    snprintf(command, sizeof(command), "%s/fuzz/replay_%s " CORPORA "/%s 2>&1", program, targets[_i]->d_name,
             targets[_i]->d_name);
    FILE *output = popen(command, "re");
    char line[1024], last[1024] = "";
    ck_assert_ptr_nonnull(output);
    while (fgets(line, sizeof(line), output)) {
        if (strlen(last) + strlen(line) < sizeof(last))
            strcat(last, line);
    }
    int status = pclose(output);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s", last);
}
END_TEST

static int is_target(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(void)
{
    Suite *suite = suite_create("fuzz_corpus");
    TCase *tcase = tcase_create("corpus");

    int count = scandir(CORPORA, &targets, is_target, alphasort);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_corpus_passes, 0, count);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    for (int i = 0; i < count; i++)
        free(targets[i]);
    free(targets);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
