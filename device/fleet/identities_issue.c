#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "device/fleet/identities_internal.h"

enum {
    ARGUMENTS_MAX = 16,
    LIST_LINE_BYTES = 256,
    SAID_BYTES = 1024, /* of what ph-ca says, the last are kept */
};

static enum ph_err folder_of(char *out, size_t size, const struct ph_scenario *scenario,
    const char *folder, int64_t number, struct ph_error *error)
{
    int len = snprintf(out, size, "%s/%s/%s/%s%04" PRId64, folder, scenario->tenant, scenario->kind,
        scenario->prefix, number);
    return len > 0 && (size_t)len < size
               ? PH_OK
               : ph_error_set(error, PH_ERR_LIMIT, "%s: path too long", folder);
}

static bool is_missing(const struct ph_scenario *scenario, const char *folder, int64_t number)
{
    char device[PATH_MAX];
    char path[PATH_MAX];
    return folder_of(device, sizeof device, scenario, folder, number, NULL) != PH_OK ||
           ph_path_join(path, sizeof path, device, "cert.pem", NULL) != PH_OK ||
           !ph_path_exists(path);
}

size_t ph_identities_missing(const struct ph_scenario *scenario, const char *folder)
{
    size_t missing = 0;
    for (int64_t number = 1; number <= scenario->devices; number++) {
        missing += is_missing(scenario, folder, number) ? 1 : 0;
    }
    return missing;
}

/* ---- the order ---- */

static enum ph_err write_list(const struct ph_scenario *scenario, const char *folder,
    const char *list, struct ph_error *error)
{
    struct ph_buf text;
    enum ph_err err = PH_OK;
    ph_buf_init(&text, (size_t)scenario->devices * LIST_LINE_BYTES);
    for (int64_t number = 1; number <= scenario->devices && err == PH_OK; number++) {
        if (is_missing(scenario, folder, number)) {
            err = ph_buf_printf(&text, "%s,%s,%s%04" PRId64 "\n", scenario->tenant, scenario->kind,
                scenario->prefix, number);
        }
    }
    err = err == PH_OK ? ph_file_replace(list, 0600, text.data, text.len, error)
                       : ph_error_set(error, err, "%s: cannot be made", list);
    ph_buf_fini(&text);
    return err;
}

struct order {
    const char *program;
    char days[24];
    char until[PH_UTC_BYTES];
    const char *arguments[ARGUMENTS_MAX];
    int count;
};

static void add(struct order *order, const char *name, const char *value)
{
    order->arguments[order->count++] = name;
    if (value != NULL) {
        order->arguments[order->count++] = value;
    }
}

static void fill_order(struct order *order, const struct ph_scenario *scenario,
    const char *ca_folder, const char *list, const char *folder)
{
    add(order, order->program, NULL);
    add(order, "issue", "device");
    add(order, "--ca", ca_folder);
    add(order, "--batch", list);
    add(order, "--out", folder);
    add(order, "--why", "ph-fleet");
    add(order, "--same-why", NULL);
    if (scenario->certificates.days > 0) {
        (void)snprintf(order->days, sizeof order->days, "%" PRId64, scenario->certificates.days);
        add(order, "--days", order->days);
    } else if (scenario->certificates.minutes > 0) {
        ph_utc_print(order->until, ph_clock_unix_ms() + scenario->certificates.minutes * 60000);
        add(order, "--not-after", order->until);
    }
}

/* Beside the running program; else the name alone, which is looked up in PATH. */
static const char *find_program(const char *program, char *out, size_t size)
{
    static const char name[] = "ph-ca";
    if (program != NULL) {
        return program;
    }
    ssize_t len = readlink("/proc/self/exe", out, size - sizeof name);
    if (len <= 0) {
        return name;
    }
    out[len] = '\0';
    char *slash = strrchr(out, '/');
    if (slash == NULL || (size_t)(slash + 1 - out) + sizeof name > size) {
        return name;
    }
    memcpy(slash + 1, name, sizeof name);
    return access(out, X_OK) == 0 ? out : name;
}

/* ---- the program ---- */

static int prepare(posix_spawn_file_actions_t *files, posix_spawnattr_t *attributes, int stderr_fd)
{
    sigset_t none;
    sigset_t normal;
    (void)sigemptyset(&none);
    (void)sigfillset(&normal);
    int failed =
        posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    failed = failed != 0 ? failed : posix_spawnattr_setsigmask(attributes, &none);
    failed = failed != 0 ? failed : posix_spawnattr_setsigdefault(attributes, &normal);
    failed = failed != 0
                 ? failed
                 : posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    failed = failed != 0
                 ? failed
                 : posix_spawn_file_actions_addopen(files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    return failed != 0 ? failed : posix_spawn_file_actions_adddup2(files, stderr_fd, STDERR_FILENO);
}

static int spawn(const struct order *order, int stderr_fd, pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    union {
        const char *const *texts;
        char *const *arguments; /* which are not changed: POSIX.1-2017, execve(), rationale */
    } argv = {.texts = order->arguments};
    int failed = posix_spawn_file_actions_init(&files);
    if (failed != 0) {
        return failed;
    }
    failed = posix_spawnattr_init(&attributes);
    if (failed == 0) {
        failed = prepare(&files, &attributes, stderr_fd);
        failed = failed != 0 ? failed
                             : posix_spawnp(pid, order->program, &files, &attributes,
                                   argv.arguments, environ);
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&files);
    return failed;
}

/* Reads to the end and keeps the last line. */
static void listen_to(int fd, char *said, size_t size)
{
    size_t len = 0;
    for (;;) {
        if (len == size - 1) { /* the older half makes room */
            memmove(said, said + len / 2, len - len / 2);
            len -= len / 2;
        }
        ssize_t got = read(fd, said + len, size - 1 - len);
        if (got <= 0 && !(got < 0 && errno == EINTR)) {
            break;
        }
        len += got > 0 ? (size_t)got : 0;
    }
    while (len > 0 && said[len - 1] == '\n') {
        len--;
    }
    said[len] = '\0';
    const char *line = strrchr(said, '\n');
    if (line != NULL) {
        memmove(said, line + 1, strlen(line + 1) + 1);
    }
}

/* The first code that has this exit status, but for that of a run that was made. */
static enum ph_err code_of(int status)
{
    for (int code = PH_ERR_USAGE; code < PH_ERR_INTERNAL; code++) {
        if (code != PH_ERR_FAULT && ph_err_exit_status((enum ph_err)code) == status) {
            return (enum ph_err)code;
        }
    }
    return PH_ERR_INTERNAL;
}

static enum ph_err judge(const char *program, int status, const char *said, struct ph_error *error)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return PH_OK;
    }
    if (WIFSIGNALED(status)) {
        return ph_error_set(
            error, PH_ERR_INTERNAL, "%s: ended by signal %d", program, WTERMSIG(status));
    }
    if (WEXITSTATUS(status) == 127 && said[0] == '\0') {
        return ph_error_set(error, PH_ERR_NOT_FOUND, "%s: cannot be run", program);
    }
    return ph_error_set(error, code_of(WEXITSTATUS(status)), "%s",
        said[0] != '\0' ? said : "ph-ca: failed without a word");
}

static enum ph_err run_order(const struct order *order, struct ph_error *error)
{
    char said[SAID_BYTES];
    int ends[2];
    int status = 0;
    pid_t pid = 0;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return ph_error_set_errno(error, errno, "pipe");
    }
    int failed = spawn(order, ends[1], &pid);
    (void)close(ends[1]);
    if (failed == 0) {
        listen_to(ends[0], said, sizeof said);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
    }
    (void)close(ends[0]);
    if (failed == ENOENT && strchr(order->program, '/') == NULL) {
        return ph_error_set(error, PH_ERR_NOT_FOUND,
            "%s: neither beside this program nor in PATH; want --ph-ca PROGRAM", order->program);
    }
    return failed == 0 ? judge(order->program, status, said, error)
                       : ph_error_set_errno(error, failed, "%s", order->program);
}

static enum ph_err make_missing(const struct ph_scenario *scenario, const char *ca_folder,
    const char *program, const char *folder, struct ph_error *error)
{
    char list[PATH_MAX];
    char beside[PATH_MAX];
    struct order order = {.program = find_program(program, beside, sizeof beside)};
    enum ph_err err = ph_dir_make(folder, 0700, error);
    if (err == PH_OK) {
        err = ph_path_join(list, sizeof list, folder, "order.csv", error);
    }
    if (err == PH_OK) {
        err = write_list(scenario, folder, list, error);
    }
    if (err == PH_OK) {
        fill_order(&order, scenario, ca_folder, list, folder);
        err = run_order(&order, error);
        (void)unlink(list);
    }
    return err;
}

static enum ph_err read_all(const struct ph_scenario *scenario, const char *folder,
    struct ph_identities *identities, struct ph_error *error)
{
    char device[PATH_MAX];
    enum ph_err err = PH_OK;
    for (int64_t number = 1; number <= scenario->devices && err == PH_OK; number++) {
        err = folder_of(device, sizeof device, scenario, folder, number, error);
        if (err == PH_OK) {
            err = ph_identities_add(identities, device, error);
        }
    }
    return err == PH_OK ? ph_identities_read(identities, error) : err;
}

enum ph_err ph_identities_issue(const struct ph_scenario *scenario, const char *ca_folder,
    const char *program, const char *folder, struct ph_identities **out, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    struct ph_identities *identities = calloc(1, sizeof *identities);
    if (identities == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "certificates: out of memory");
    }
    if (ph_identities_missing(scenario, folder) > 0) {
        err = make_missing(scenario, ca_folder, program, folder, error);
    }
    if (err == PH_OK) {
        err = read_all(scenario, folder, identities, error);
    }
    if (err != PH_OK) {
        ph_identities_free(&identities);
        return err;
    }
    *out = identities;
    return PH_OK;
}
