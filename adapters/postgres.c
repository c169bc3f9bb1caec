#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/postgres_pq.h"
#include "base/clock.h"
#include "base/log.h"

enum {
    SLICE_MS = 1000, /* OpenSSL may hold bytes that poll() does not see */
    GRACE_MS = 2000  /* what the server gets beyond its own timeout */
};

/* ---- Errors. */

/* What servers say may have several lines. */
static void one_line(char out[PH_PQ_TEXT_BYTES], const char *text)
{
    size_t len = 0;
    for (; text != NULL && *text != '\0' && len < PH_PQ_TEXT_BYTES - 3; text++) {
        if (*text != '\n') {
            out[len++] = *text;
        } else if (text[1] != '\0') {
            out[len++] = ';';
            out[len++] = ' ';
            text += strspn(text + 1, "\t "); /* further lines are indented */
        }
    }
    out[len] = '\0';
}

static enum ph_err code_of(const char *state)
{
    static const struct {
        const char *prefix;
        enum ph_err code;
    } codes[] = {
        {"08", PH_ERR_UNAVAILABLE},
        {"57P", PH_ERR_UNAVAILABLE},
        {"53", PH_ERR_UNAVAILABLE},
        {"25006", PH_ERR_UNAVAILABLE},
        {"40001", PH_ERR_BUSY},
        {"40P01", PH_ERR_BUSY},
        {"55P03", PH_ERR_BUSY},
        {"57014", PH_ERR_BUSY},
        {"42501", PH_ERR_PERMISSION},
        {"28", PH_ERR_DENIED},
        {"23", PH_ERR_EXISTS},
        {"42P07", PH_ERR_EXISTS},
        {"42710", PH_ERR_EXISTS},
        {"58", PH_ERR_IO},
        {"XX", PH_ERR_IO},
        {"3D000", PH_ERR_NOT_FOUND},
        {"42P01", PH_ERR_NOT_FOUND},
        {"22", PH_ERR_INPUT},
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (strncmp(state, codes[i].prefix, strlen(codes[i].prefix)) == 0) {
            return codes[i].code;
        }
    }
    return PH_ERR_INTERNAL;
}

static const char *advice_for(enum ph_err code, const char *state)
{
    if (strcmp(state, "25006") == 0) {
        return "; it is a standby now: name all servers in the location";
    }
    switch (code) {
    case PH_ERR_UNAVAILABLE:
        return "; see that the server runs, has room and can be reached";
    case PH_ERR_BUSY:
        return "; somebody holds it: try again, or look at pg_stat_activity";
    case PH_ERR_PERMISSION:
        return "; grant it to this role";
    default:
        return "";
    }
}

enum ph_err ph_pq_fail_lost(
    struct ph_pg *pg, const char *doing, const char *said, struct ph_error *error)
{
    char text[PH_PQ_TEXT_BYTES];
    one_line(text, said != NULL && said[0] != '\0' ? said : "connection lost");
    pg->lost = true;
    return ph_error_set(error, PH_ERR_UNAVAILABLE, "%s: %s: %s%s", pg->name, doing, text,
        advice_for(PH_ERR_UNAVAILABLE, ""));
}

/* What comes before the server closes the connection. */
static bool ends_session(const PGresult *result)
{
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    return severity != NULL && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
}

enum ph_err ph_pq_fail_result(
    struct ph_pg *pg, const PGresult *result, const char *doing, struct ph_error *error)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *said = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    char text[PH_PQ_TEXT_BYTES];
    char more[PH_PQ_TEXT_BYTES];
    if (PQstatus(pg->conn) == CONNECTION_BAD || state == NULL) {
        return ph_pq_fail_lost(
            pg, doing, said != NULL ? said : PQresultErrorMessage(result), error);
    }
    one_line(text, said);
    one_line(more, detail);
    enum ph_err code = code_of(state);
    pg->lost = pg->lost || ends_session(result);
    return ph_error_set(error, code, "%s: %s: %s%s%s (%s)%s", pg->name, doing, text,
        more[0] != '\0' ? ": " : "", more, state, advice_for(code, state));
}

enum ph_err ph_pq_check_usable(struct ph_pg *pg, const char *doing, struct ph_error *error)
{
    return pg->lost ? ph_pq_fail_lost(pg, doing, "connection lost before", error) : PH_OK;
}

enum ph_err ph_pq_fail_send(struct ph_pg *pg, const char *doing, struct ph_error *error)
{
    return ph_pq_fail_lost(pg, doing, PQerrorMessage(pg->conn), error);
}

/* Notices are for whoever debugs; a warning at COMMIT is not (ph_pg_commit). */
static void take_notice(void *context, const PGresult *result)
{
    struct ph_pg *pg = context;
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    char text[PH_PQ_TEXT_BYTES];
    one_line(text, PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
    if (severity != NULL && strcmp(severity, "WARNING") == 0) {
        pg->warned = true;
        memcpy(pg->warning, text, sizeof text);
    }
    ph_log(PH_LOG_DEBUG, "database notice", PH_STR("server", pg->name), PH_STR("notice", text));
}

/* ---- Waiting. */

int64_t ph_pq_deadline(const struct ph_pg *pg)
{
    return pg->timeout_ms > 0 ? ph_clock_monotonic_ms() + pg->timeout_ms + GRACE_MS : INT64_MAX;
}

bool ph_pq_wait(struct ph_pg *pg, short events, int64_t deadline_ms)
{
    int64_t left_ms = deadline_ms - ph_clock_monotonic_ms();
    struct pollfd fd = {.fd = PQsocket(pg->conn), .events = events};
    if (left_ms <= 0) {
        return false;
    }
    (void)poll(&fd, 1, (int)(left_ms < SLICE_MS ? left_ms : SLICE_MS));
    return true;
}

static enum ph_err fail_late(struct ph_pg *pg, const char *doing, struct ph_error *error)
{
    return ph_pq_fail_lost(pg, doing, "the server does not answer", error);
}

enum ph_err ph_pq_flush(
    struct ph_pg *pg, const char *doing, int64_t deadline_ms, struct ph_error *error)
{
    int left = 0;
    while ((left = PQflush(pg->conn)) > 0) {
        if (!ph_pq_wait(pg, POLLIN | POLLOUT, deadline_ms)) {
            return fail_late(pg, doing, error);
        }
        if (PQconsumeInput(pg->conn) == 0) {
            return PH_OK; /* what it said before it closed is in the result */
        }
    }
    return left == 0 || PQstatus(pg->conn) == CONNECTION_BAD
               ? PH_OK
               : ph_pq_fail_lost(pg, doing, PQerrorMessage(pg->conn), error);
}

/* The next result of what was sent; NULL in *out at its end. */
static enum ph_err next_result(struct ph_pg *pg, const char *doing, int64_t deadline_ms,
    PGresult **out, struct ph_error *error)
{
    enum ph_err err = ph_pq_flush(pg, doing, deadline_ms, error);
    while (err == PH_OK && PQisBusy(pg->conn) != 0) {
        if (!ph_pq_wait(pg, POLLIN, deadline_ms)) {
            return fail_late(pg, doing, error);
        }
        if (PQconsumeInput(pg->conn) == 0) {
            break;
        }
    }
    if (err == PH_OK) {
        *out = PQgetResult(pg->conn);
    }
    return err;
}

bool ph_pq_is_good(const PGresult *result)
{
    switch (PQresultStatus(result)) {
    case PGRES_EMPTY_QUERY:
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_COPY_IN:
        return true;
    default:
        return false;
    }
}

enum ph_err ph_pq_collect(
    struct ph_pg *pg, const char *doing, struct ph_pg_result **out, struct ph_error *error)
{
    int64_t deadline_ms = ph_pq_deadline(pg);
    PGresult *last = NULL;
    PGresult *next = NULL;
    enum ph_err failed = PH_OK;
    enum ph_err err = PH_OK;
    do {
        next = NULL;
        err = next_result(pg, doing, deadline_ms, &next, error);
        if (next != NULL) {
            PQclear(last);
            last = next;
        }
        if (next != NULL && !ph_pq_is_good(next) && failed == PH_OK) {
            failed = ph_pq_fail_result(pg, next, doing, error);
        }
    } while (next != NULL && PQresultStatus(next) != PGRES_COPY_IN && !pg->lost);
    err = failed != PH_OK ? failed : err;
    if (err == PH_OK && out != NULL) {
        *out = malloc(sizeof **out);
        if (*out != NULL) {
            (*out)->result = last;
            return PH_OK;
        }
        err = ph_error_set(error, PH_ERR_MEMORY, "%s: %s: out of memory", pg->name, doing);
    }
    PQclear(last);
    return err;
}

/* ---- Location and connection. */

static const char *option(const PQconninfoOption *options, const char *keyword)
{
    for (; options->keyword != NULL; options++) {
        if (strcmp(options->keyword, keyword) == 0) {
            return options->val != NULL && options->val[0] != '\0' ? options->val : NULL;
        }
    }
    return NULL;
}

/* What libpq says of a URI may quote a password: it is not repeated. */
static enum ph_err parse(const char *uri, PQconninfoOption **out, struct ph_error *error)
{
    bool is_uri = strncmp(uri, "postgresql://", 13) == 0 || strncmp(uri, "postgres://", 11) == 0;
    *out = is_uri ? PQconninfoParse(uri, NULL) : NULL;
    return *out != NULL ? PH_OK
                        : ph_error_set(error, PH_ERR_CONFIG,
                              "database location: not a URI that libpq understands; write "
                              "postgresql://role@host/database?sslmode=verify-full, options as in "
                              "its documentation");
}

static enum ph_err check_options(const PQconninfoOption *options, struct ph_error *error)
{
    static const char *const secrets[] = {"password", "sslpassword"};
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        if (option(options, secrets[i]) != NULL) {
            return ph_error_set(error, PH_ERR_CONFIG,
                "database location: %s: ps and logs would show it; use a client certificate "
                "(sslcert, sslkey) or a pass file (~/.pgpass)",
                secrets[i]);
        }
    }
    return PH_OK;
}

enum ph_err ph_pg_check(const char *uri, struct ph_error *error)
{
    PQconninfoOption *options = NULL;
    enum ph_err err = parse(uri, &options, error);
    if (err == PH_OK) {
        err = check_options(options, error);
    }
    PQconninfoFree(options);
    return err;
}

/* Before anybody has answered: all hosts. */
static enum ph_err name_location(struct ph_pg *pg, const char *uri, struct ph_error *error)
{
    PQconninfoOption *options = NULL;
    enum ph_err err = parse(uri, &options, error);
    if (err == PH_OK) {
        err = check_options(options, error);
    }
    if (err == PH_OK) {
        const char *host = option(options, "host");
        const char *database = option(options, "dbname");
        (void)snprintf(pg->name, sizeof pg->name, "%.200s/%.100s",
            host != NULL ? host : "postgresql", database != NULL ? database : "");
    }
    PQconninfoFree(options);
    return err;
}

/* The URI comes last but one, so that it wins over what stands before it. */
static enum ph_err connect_to(
    struct ph_pg *pg, const char *uri, bool writer, struct ph_error *error)
{
    const char *const names[] = {"connect_timeout", "keepalives_idle", "keepalives_interval",
        "keepalives_count", "tcp_user_timeout", "target_session_attrs", "application_name",
        "dbname", "client_encoding", NULL};
    const char *const values[] = {
        "5", "5", "5", "2", "15000", writer ? "read-write" : "any", "ph-ingest", uri, "UTF8", NULL};
    pg->conn = PQconnectdbParams(names, values, 1);
    if (pg->conn == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: connect: out of memory", pg->name);
    }
    if (PQstatus(pg->conn) != CONNECTION_OK) {
        return ph_pq_fail_lost(pg, "connect", PQerrorMessage(pg->conn), error);
    }
    (void)snprintf(pg->name, sizeof pg->name, "%.200s:%.8s/%.100s", PQhost(pg->conn),
        PQport(pg->conn), PQdb(pg->conn));
    (void)PQsetNoticeReceiver(pg->conn, take_notice, pg);
    return PQsetnonblocking(pg->conn, 1) == 0
               ? PH_OK
               : ph_pq_fail_lost(pg, "connect", PQerrorMessage(pg->conn), error);
}

static enum ph_err configure(struct ph_pg *pg, bool writer, struct ph_error *error)
{
    char sql[512];
    (void)snprintf(sql, sizeof sql,
        "SET timezone = 'UTC'; SET datestyle = 'ISO'; SET intervalstyle = 'postgres';"
        " SET bytea_output = 'hex'; SET extra_float_digits = 1;"
        " SET statement_timeout = %" PRId64 "; SET lock_timeout = %" PRId64 ";"
        " SELECT set_config('synchronous_commit', 'on', false)"
        " WHERE current_setting('synchronous_commit') <> 'remote_apply';%s",
        pg->timeout_ms, pg->timeout_ms, writer ? "" : " SET default_transaction_read_only = on");
    return ph_pg_exec(pg, sql, error);
}

/* Without a verified name anybody may answer in the server's place, be it encrypted or not. */
static void warn_unverified(const struct ph_pg *pg)
{
    PQconninfoOption *options = PQconninfo(pg->conn);
    const char *host = PQhost(pg->conn);
    const char *mode = options != NULL ? option(options, "sslmode") : NULL;
    bool tcp = host != NULL && host[0] != '/' && host[0] != '@';
    if (tcp && (mode == NULL || strcmp(mode, "verify-full") != 0)) {
        ph_log(PH_LOG_WARNING, "database server is not verified", PH_STR("server", pg->name),
            PH_STR("have", mode), PH_STR("want", "sslmode=verify-full"));
    }
    PQconninfoFree(options);
}

enum ph_err ph_pg_open(
    const char *uri, bool writer, int64_t timeout_ms, struct ph_pg **out, struct ph_error *error)
{
    struct ph_pg *pg = calloc(1, sizeof *pg);
    if (pg == NULL || (pg->prepared = ph_map_new()) == NULL) {
        free(pg);
        return ph_error_set(error, PH_ERR_MEMORY, "database: out of memory");
    }
    pg->timeout_ms = timeout_ms;
    enum ph_err err = name_location(pg, uri, error);
    if (err == PH_OK) {
        err = connect_to(pg, uri, writer, error);
    }
    if (err == PH_OK) {
        warn_unverified(pg);
        err = configure(pg, writer, error);
    }
    if (err != PH_OK) {
        ph_pg_close(&pg);
        return err;
    }
    *out = pg;
    return PH_OK;
}

void ph_pg_close(struct ph_pg **pg)
{
    if (*pg == NULL) {
        return;
    }
    PQfinish((*pg)->conn);
    ph_map_free_values(&(*pg)->prepared, free);
    free(*pg);
    *pg = NULL;
}

const char *ph_pg_name(const struct ph_pg *pg)
{
    return pg->name;
}

int ph_pg_version(const struct ph_pg *pg)
{
    return PQserverVersion(pg->conn);
}
