/* shm/types/geo.h - places on the earth as scores: 26 bits of longitude and of latitude, interleaved.
 * Owner     nobody: pure functions.
 * Locks     none.
 * Crash     nothing is changed.
 * Survives  nothing to survive.
 * Fails     never.
 * Tests     tests/regress/sql/geo_add.cmd  tests/regress/sql/geo_search.cmd */
#ifndef SKEP_GEO_H
#define SKEP_GEO_H

#include <stdbool.h>
#include <stdint.h>

#define GEO_LON_MAX 180.0
#define GEO_LAT_MAX 85.05112878 /* where Mercator's map is a square */
#define GEO_STEPS   26u

struct geo_point {
    double lon, lat;
};

double geo_score(struct geo_point p);
struct geo_point geo_of_score(double score);
/* In meters. */
double geo_distance(struct geo_point a, struct geo_point b);
/* The 11 characters of geohash.org. */
void geo_hash(struct geo_point p, char out[11]);

/* What is searched: a circle, or a box that is so wide and high. All in meters. */
struct geo_shape {
    struct geo_point center;
    bool box;
    double radius, width, height;
};
/* Scores in [from, to). */
struct geo_range {
    double from, to;
};
#define GEO_RANGES 9u
/* Ranges that hold all scores of the shape, in the order in which Redis looks at them; how many. */
unsigned geo_ranges(const struct geo_shape *s, struct geo_range out[GEO_RANGES]);
/* Does the shape hold the point? If so, how far is it from the center? */
bool geo_inside(const struct geo_shape *s, struct geo_point p, double *distance);

#endif
