#include "device/fleet/scenario_testbed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli_testbed.h"
#include "base/file.h"

static struct ph_scenario_bed the_bed;

static enum ph_err load(const struct ph_cli *cli, struct ph_error *error)
{
    (void)error;
    struct ph_scenario_bed *bed = &the_bed;
    enum ph_err err = ph_scenario_load(cli, &bed->scenario, &bed->error);
    assert_int_equal(err, bed->error.code);
    assert_int_equal(err == PH_OK, bed->scenario != NULL);
    return PH_OK;
}

bool ph_scenario_bed_load(struct ph_scenario_bed *bed, const char *first, ...)
{
    static const struct ph_cli_option options[] = {PH_SCENARIO_OPTIONS, {0}};
    static const struct ph_cli_command commands[] = {
        {NULL, NULL, 0, 0, "test", options, load}, {0}};
    static const struct ph_cli_program program = {"test", "test", commands};
    ph_scenario_free(&bed->scenario);
    ph_error_clear(&bed->error);
    va_list args;
    va_start(args, first);
    int status = ph_cli_testbed_run(&program, first, args);
    va_end(args);
    assert_int_equal(status, 0);
    return bed->scenario != NULL;
}

bool ph_scenario_bed_parse(struct ph_scenario_bed *bed, const char *text)
{
    FILE *out = fopen(bed->file, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
    return ph_scenario_bed_load(bed, "--scenario", bed->file, NULL);
}

int ph_scenario_bed_make(void **state)
{
    struct ph_scenario_bed *bed = &the_bed;
    (void)snprintf(bed->dir, sizeof bed->dir, "/tmp/ph-scenario-XXXXXX");
    if (mkdtemp(bed->dir) == NULL) {
        return -1;
    }
    *state = bed;
    return ph_path_join(bed->file, sizeof bed->file, bed->dir, "s.yaml", NULL) == PH_OK ? 0 : -1;
}

int ph_scenario_bed_remove(void **state)
{
    struct ph_scenario_bed *bed = *state;
    ph_scenario_free(&bed->scenario);
    (void)unlink(bed->file);
    return rmdir(bed->dir);
}
