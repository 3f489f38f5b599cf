/* shm/config_own.h - the directives whose values are no single number, word or text.
 * Owner     shm/config.c, which alone calls these.
 * Locks     none.
 * Crash     as shm/config.h.
 * Survives  nothing to survive.
 * Fails     set() writes why into err and has changed nothing.
 * Tests     tests/unit/test_config.c */
#ifndef SKEP_CONFIG_OWN_H
#define SKEP_CONFIG_OWN_H

#include "shm/config.h"

struct config_own {
    void (*reset)(struct shm_config *cfg);
    bool (*set)(struct shm_config *cfg, const struct bytes *words, int n, enum config_from from, char *err,
                size_t errlen);
    size_t (*get)(const struct shm_config *cfg, char *buf, size_t cap);
    /* As config_file_value; NULL where the file shows what CONFIG GET shows. */
    enum rc (*file_value)(const struct shm_config *cfg, int line, char *buf, size_t cap);
};

extern const struct config_own config_own_bind, config_own_output_limit, config_own_dir,
    config_own_oom_values, config_own_percentiles, config_own_notify, config_own_save, config_own_replicaof;

/* Writes "5mb" rather than 5242880 where a unit divides the number. */
size_t config_format_memory(char *buf, size_t cap, uint64_t bytes);
__attribute__((format(printf, 3, 4))) bool config_refuse(char *err, size_t errlen, const char *fmt, ...);

#endif
