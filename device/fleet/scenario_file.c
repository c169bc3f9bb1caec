#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "config/yaml.h"
#include "device/fleet/scenario_internal.h"
#include "device/fleet/scenario_schema.h"

#define DRAFT         struct ph_scenario_draft
#define ACT           struct ph_act_draft
#define OPTIONAL      CYAML_FLAG_OPTIONAL
#define OPTIONAL_TEXT (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)

static const cyaml_strval_t act_words[] = {
    [PH_ACT_STORM] = {"storm", PH_ACT_STORM},
    [PH_ACT_OUTAGE] = {"outage", PH_ACT_OUTAGE},
    [PH_ACT_MAD] = {"mad", PH_ACT_MAD},
    [PH_ACT_THIEF] = {"thief", PH_ACT_THIEF},
};

static const cyaml_strval_t mad_words[PH_MAD_WAYS] = {
    {"flood", PH_MAD_FLOOD},
    {"garbage", PH_MAD_GARBAGE},
    {"foreign", PH_MAD_FOREIGN},
};

static const cyaml_schema_value_t mad_value = {
    CYAML_VALUE_ENUM(CYAML_FLAG_STRICT, int, mad_words, PH_MAD_WAYS)};

static const cyaml_schema_field_t act_fields[] = {
    CYAML_FIELD_INT("at_s", CYAML_FLAG_DEFAULT, ACT, act.at_s),
    CYAML_FIELD_ENUM("do", CYAML_FLAG_STRICT, ACT, act.kind, act_words, CYAML_ARRAY_LEN(act_words)),
    CYAML_FIELD_INT("for_s", OPTIONAL, ACT, act.for_s),
    CYAML_FIELD_FLOAT("share", OPTIONAL, ACT, act.share),
    CYAML_FIELD_INT("devices", OPTIONAL, ACT, act.devices),
    CYAML_FIELD_SEQUENCE_COUNT(
        "how", OPTIONAL_TEXT | CYAML_FLAG_FLOW, ACT, how, how_count, &mad_value, 1, PH_MAD_WAYS),
    CYAML_FIELD_INT("messages_per_s", OPTIONAL, ACT, act.messages_per_s),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t act_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, ACT, act_fields)};

#define DAY __typeof__(((struct ph_scenario *)NULL)->day)
static const cyaml_schema_field_t day_fields[] = {
    CYAML_FIELD_FLOAT("hours", OPTIONAL, DAY, hours),
    CYAML_FIELD_FLOAT("swing", OPTIONAL, DAY, swing),
    CYAML_FIELD_END,
};

#define HOUSES __typeof__(((DRAFT *)NULL)->houses)
static const cyaml_schema_field_t houses_fields[] = {
    CYAML_FIELD_FLOAT_PTR("outdoor_c", CYAML_FLAG_POINTER | OPTIONAL, HOUSES, outdoor_c),
    CYAML_FIELD_STRING_PTR("start", OPTIONAL_TEXT, HOUSES, start, 1, 64),
    CYAML_FIELD_FLOAT("speed", OPTIONAL, HOUSES, speed),
    CYAML_FIELD_END,
};

#define CERTIFICATES __typeof__(((struct ph_scenario *)NULL)->certificates)
static const cyaml_schema_field_t certificates_fields[] = {
    CYAML_FIELD_INT("days", OPTIONAL, CERTIFICATES, days),
    CYAML_FIELD_INT("minutes", OPTIONAL, CERTIFICATES, minutes),
    CYAML_FIELD_END,
};

#define NUMBER(name) CYAML_FIELD_INT(#name, OPTIONAL, DRAFT, scenario.name)
#define SEGMENT(name)                                                                              \
    CYAML_FIELD_STRING_PTR(#name, OPTIONAL_TEXT, DRAFT, scenario.name, 1, PH_LIMIT_SEGMENT_BYTES)
static const cyaml_schema_field_t fields[] = {
    NUMBER(devices),
    NUMBER(seed),
    NUMBER(interval_ms),
    NUMBER(duration_s),
    NUMBER(connects_per_s),
    SEGMENT(tenant),
    SEGMENT(kind),
    SEGMENT(prefix),
    CYAML_FIELD_MAPPING("day", OPTIONAL, DRAFT, scenario.day, day_fields),
    CYAML_FIELD_MAPPING("houses", OPTIONAL, DRAFT, houses, houses_fields),
    CYAML_FIELD_MAPPING(
        "certificates", OPTIONAL, DRAFT, scenario.certificates, certificates_fields),
    CYAML_FIELD_SEQUENCE_COUNT(
        "acts", OPTIONAL_TEXT, DRAFT, acts, act_count, &act_value, 0, PH_SCENARIO_ACTS),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t schema = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, DRAFT, fields)};

static enum ph_err no_memory(struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_MEMORY, "scenario: out of memory");
}

static enum ph_err take_acts(
    const DRAFT *draft, struct ph_scenario *scenario, struct ph_error *error)
{
    if (draft->act_count == 0) {
        return PH_OK;
    }
    scenario->acts = calloc(draft->act_count, sizeof *scenario->acts);
    if (scenario->acts == NULL) {
        return no_memory(error);
    }
    scenario->act_count = draft->act_count;
    for (size_t i = 0; i < scenario->act_count; i++) {
        const ACT *from = &draft->acts[i];
        scenario->acts[i] = from->act;
        for (unsigned k = 0; k < from->how_count; k++) {
            scenario->acts[i].how |= (unsigned)from->how[k];
        }
    }
    return PH_OK;
}

static char *take(char **text)
{
    char *taken = *text;
    *text = NULL;
    return taken;
}

/* Moves what the draft holds; without one there is nothing to move. */
static enum ph_err take_draft(DRAFT *draft, struct ph_scenario *scenario, struct ph_error *error)
{
    scenario->houses.outdoor_c = PH_SCENARIO_OUTDOOR_C;
    if (draft == NULL) {
        return PH_OK;
    }
    *scenario = draft->scenario;
    scenario->tenant = take(&draft->scenario.tenant);
    scenario->kind = take(&draft->scenario.kind);
    scenario->prefix = take(&draft->scenario.prefix);
    scenario->houses.start = take(&draft->houses.start);
    scenario->houses.speed = draft->houses.speed;
    scenario->houses.outdoor_c =
        draft->houses.outdoor_c != NULL ? *draft->houses.outdoor_c : PH_SCENARIO_OUTDOOR_C;
    return take_acts(draft, scenario, error);
}

enum ph_err ph_scenario_read(const char *path, struct ph_scenario **out, struct ph_error *error)
{
    void *draft = NULL;
    struct ph_scenario *scenario = calloc(1, sizeof *scenario);
    if (scenario == NULL) {
        return no_memory(error);
    }
    enum ph_err err = path != NULL ? ph_yaml_load(path, &schema, &draft, error) : PH_OK;
    if (err == PH_OK) {
        err = take_draft(draft, scenario, error);
    }
    ph_yaml_free(&schema, &draft);
    if (err != PH_OK) {
        ph_scenario_free(&scenario);
        return err;
    }
    *out = scenario;
    return PH_OK;
}

/* An act of a draft, with room for its list of words. */
struct printed_act {
    int how[PH_MAD_WAYS];
};

static void draft_act(const struct ph_act *act, ACT *draft, struct printed_act *room)
{
    draft->act = *act;
    draft->how = room->how;
    for (size_t i = 0; i < PH_MAD_WAYS; i++) {
        if ((act->how & (unsigned)mad_words[i].val) != 0) {
            room->how[draft->how_count++] = (int)mad_words[i].val;
        }
    }
    if (draft->how_count == 0) {
        draft->how = NULL;
    }
}

enum ph_err ph_scenario_print(FILE *out, const struct ph_scenario *scenario, struct ph_error *error)
{
    double outdoor_c = scenario->houses.outdoor_c;
    DRAFT draft = {.scenario = *scenario, .act_count = (unsigned)scenario->act_count};
    draft.houses.outdoor_c = &outdoor_c;
    draft.houses.start = scenario->houses.start;
    draft.houses.speed = scenario->houses.speed;
    draft.acts = calloc(scenario->act_count + 1, sizeof *draft.acts);
    struct printed_act *rooms = calloc(scenario->act_count + 1, sizeof *rooms);
    enum ph_err err = PH_OK;
    if (draft.acts == NULL || rooms == NULL) {
        err = no_memory(error);
        goto out;
    }
    for (size_t i = 0; i < scenario->act_count; i++) {
        draft_act(&scenario->acts[i], &draft.acts[i], &rooms[i]);
    }
    err = ph_yaml_print(out, &schema, &draft, error);
out:
    free(draft.acts);
    free(rooms);
    return err;
}

const char *ph_act_name(enum ph_act_kind kind)
{
    return act_words[kind].str;
}
