/* SPDX-License-Identifier: BSD-3-Clause */
#include "homictl/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "homictl/call.h"
#include "homictl/table.h"

static const char *const words[] = {"ok", "unknown", "warning", "bad"};

void doctor_find(struct doctor *doctor, const char *check, enum verdict verdict, const char *mend,
                 const char *format, ...)
{
    struct json_object *finding = json_object_new_object();
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    json_object_object_add(finding, "check", json_object_new_string(check));
    json_object_object_add(finding, "verdict", json_object_new_string(words[verdict]));
    json_object_object_add(finding, "text", json_object_new_string(text));
    if (mend)
        json_object_object_add(finding, "mend", json_object_new_string(mend));
    json_object_array_add(doctor->findings, finding);
    if (verdict > doctor->worst)
        doctor->worst = verdict;
}

static void print_finding(struct json_object *finding, bool colour)
{
    static const enum table_style styles[] = {TABLE_GOOD, TABLE_FAINT, TABLE_WARNING, TABLE_BAD};
    const char *verdict = member_text(finding, "verdict"), *mend = member_text(finding, "mend");

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (!strcmp(words[i], verdict))
            table_text(stdout, styles[i], colour, verdict);
    printf("%*s%-22s ", (int)(9 - strlen(verdict)), "", member_text(finding, "check"));
    table_text(stdout, TABLE_PLAIN, colour, member_text(finding, "text"));
    printf("\n");
    if (mend) {
        printf("%9snext: ", "");
        table_text(stdout, TABLE_PLAIN, colour, mend);
        printf("\n");
    }
}

enum exit_status command_doctor(const struct options *options, char **arguments)
{
    struct doctor doctor = {
        .options = options, .root = options->root ? options->root : "", .findings = json_object_new_array()};
    enum exit_status status = EXIT_OK;

    (void)arguments;
    doctor_platform(&doctor);
    doctor_devices(&doctor);
    doctor_service(&doctor);
    if (options->given & OPTION_JSON) {
        struct json_object *answer = json_object_new_object();

        json_object_object_add(answer, "verdict", json_object_new_string(words[doctor.worst]));
        json_object_object_add(answer, "findings", json_object_get(doctor.findings));
        status = call_print_json(answer);
        json_object_put(answer);
    } else {
        for (size_t i = 0; i < json_object_array_length(doctor.findings); i++)
            print_finding(json_object_array_get_idx(doctor.findings, i), call_colour(options, stdout));
    }
    json_object_put(doctor.findings);
    if (status == EXIT_OK && ferror(stdout))
        status = EXIT_SYSTEM;
    return status == EXIT_OK && doctor.worst == VERDICT_BAD ? EXIT_DEGRADED : status;
}
