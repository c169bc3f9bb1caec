/* How a process ends that has Paho in it. */
#include <openssl/crypto.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "adapters/mqtt.h"

static int witness;

static void say_so(void)
{
    (void)!write(witness, "c", 1);
}

/* [MQTT-16] Paho's threads may still take OpenSSL's locks. For the control see
 * core/x509/process_test.c: without the client OpenSSL does clean up. */
static void openssl_is_not_taken_away_at_exit(void **state)
{
    (void)state;
    int pipe_fd[2];
    char byte = 0;
    struct ph_mqtt *none = NULL;
    ph_mqtt_free(&none); /* the client is linked */
    assert_int_equal(pipe(pipe_fd), 0);
    pid_t pid = fork();
    if (pid == 0) {
        witness = pipe_fd[1];
        (void)OPENSSL_init_crypto(0, NULL);
        (void)OPENSSL_atexit(say_so);
        exit(0); /* NOLINT(concurrency-mt-unsafe): there is one thread */
    }
    assert_true(pid > 0);
    (void)close(pipe_fd[1]);
    assert_int_equal(read(pipe_fd[0], &byte, 1), 0);
    (void)close(pipe_fd[0]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openssl_is_not_taken_away_at_exit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
