/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Gives a fuzz target the files of a folder one by one: what the fuzzer found once is tried by every
 * `make check`, with any compiler. Usage: TARGET FOLDER-OR-FILE... The last line says how many were tried.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

static unsigned tried;

static void give_file(const char *path, size_t bytes)
{
    /* Of exactly that size, so that reading beyond it is seen. */
    uint8_t *data = malloc(bytes ? bytes : 1);
    FILE *file = fopen(path, "re");

    if (!data || !file || fread(data, 1, bytes, file) != bytes) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    fclose(file);
    fprintf(stderr, "%s\n", path); /* the last one is it, when the process ends here */
    fuzz_one(data, bytes);
    free(data);
    tried++;
}

static void give(const char *path)
{
    struct dirent **entries;
    struct stat status;

    if (stat(path, &status) < 0) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    if (!S_ISDIR(status.st_mode)) {
        give_file(path, (size_t)status.st_size);
        return;
    }
    int count = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char name[4096];
        snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            give(name);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        give(argv[i]);
    printf("%u inputs\n", tried);
    return tried > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
