/* Places as scores. The arithmetic is done in Redis's order of operations, so that the last digits are the same. */
#include "shm/types/geo.h"

#include <math.h>

#define EARTH_RADIUS  6372797.560856 /* meters */
#define MERCATOR_HALF 20037726.37    /* meters: half of the map's width */
#define RADIANS       (M_PI / 180.0)

/* A square of the map that is cut into 2^steps by 2^steps. */
struct cell {
    uint32_t lon, lat;
    unsigned steps;
};
struct area {
    double lon_min, lon_max, lat_min, lat_max;
};

static uint64_t spread(uint32_t v)
{
    uint64_t x = v;
    x = (x | x << 16) & 0x0000ffff0000ffffull;
    x = (x | x << 8) & 0x00ff00ff00ff00ffull;
    x = (x | x << 4) & 0x0f0f0f0f0f0f0f0full;
    x = (x | x << 2) & 0x3333333333333333ull;
    return (x | x << 1) & 0x5555555555555555ull;
}

static uint32_t gather(uint64_t x)
{
    x &= 0x5555555555555555ull;
    x = (x | x >> 1) & 0x3333333333333333ull;
    x = (x | x >> 2) & 0x0f0f0f0f0f0f0f0full;
    x = (x | x >> 4) & 0x00ff00ff00ff00ffull;
    x = (x | x >> 8) & 0x0000ffff0000ffffull;
    return (uint32_t)(x | x >> 16);
}

static uint64_t cell_bits(struct cell c)
{
    return spread(c.lat) | spread(c.lon) << 1;
}

static struct cell cell_of(struct geo_point p, double lat_max, unsigned steps)
{
    double lat = (p.lat + lat_max) / (2 * lat_max), lon = (p.lon + GEO_LON_MAX) / (2 * GEO_LON_MAX);
    lat *= (double)(1ull << steps);
    lon *= (double)(1ull << steps);
    return (struct cell){(uint32_t)lon, (uint32_t)lat, steps};
}

static struct area area_of(struct cell c)
{
    double all = (double)(1ull << c.steps), lat = GEO_LAT_MAX - -GEO_LAT_MAX,
           lon = GEO_LON_MAX - -GEO_LON_MAX;
    return (struct area){
        .lon_min = -GEO_LON_MAX + (c.lon * 1.0 / all) * lon,
        .lon_max = -GEO_LON_MAX + ((c.lon + 1ull) * 1.0 / all) * lon,
        .lat_min = -GEO_LAT_MAX + (c.lat * 1.0 / all) * lat,
        .lat_max = -GEO_LAT_MAX + ((c.lat + 1ull) * 1.0 / all) * lat,
    };
}

double geo_score(struct geo_point p)
{
    return (double)cell_bits(cell_of(p, GEO_LAT_MAX, GEO_STEPS));
}

static double clip(double v, double most)
{
    return v > most ? most : v < -most ? -most : v;
}

/* A score that ZADD has given may be any number. Those that are no cell become what redis-server's conversion makes of
 * them on x86-64. */
static uint64_t bits_of_score(double score)
{
    if (score >= 0)
        return score < 0x1p64 ? (uint64_t)score : 0;
    return score > -0x1p63 ? (uint64_t)(int64_t)score : 1ull << 63;
}

/* The middle of the cell. */
struct geo_point geo_of_score(double score)
{
    uint64_t bits = bits_of_score(score);
    struct area a = area_of((struct cell){gather(bits >> 1), gather(bits), GEO_STEPS});
    return (struct geo_point){clip((a.lon_min + a.lon_max) / 2, GEO_LON_MAX),
                              clip((a.lat_min + a.lat_max) / 2, GEO_LAT_MAX)};
}

static double lat_distance(double a, double b)
{
    return EARTH_RADIUS * fabs(b * RADIANS - a * RADIANS);
}

double geo_distance(struct geo_point a, struct geo_point b)
{
    double v = sin((b.lon * RADIANS - a.lon * RADIANS) / 2);
    if (v == 0.0)
        return lat_distance(a.lat, b.lat);
    double lat1 = a.lat * RADIANS, lat2 = b.lat * RADIANS, u = sin((lat2 - lat1) / 2);
    return 2.0 * EARTH_RADIUS * asin(sqrt(u * u + cos(lat1) * cos(lat2) * v * v));
}

void geo_hash(struct geo_point p, char out[11])
{
    static const char letters[] = "0123456789bcdefghjkmnpqrstuvwxyz";
    uint64_t bits = cell_bits(cell_of(p, 90, GEO_STEPS)); /* geohash.org's map goes up to the poles */
    for (unsigned i = 0; i < 10; i++)
        out[i] = letters[bits >> (52 - (i + 1) * 5) & 31];
    out[10] = letters[0]; /* 52 bits are ten characters; Redis always says eleven */
}

/* ---- searching ---- */

/* How often the map is cut so that a cell and its neighbours cover the radius: where the map is stretched, less often. */
static unsigned steps_for(double radius, double lat)
{
    int steps = 1;
    if (radius == 0)
        return GEO_STEPS;
    for (; radius < MERCATOR_HALF; radius *= 2)
        steps++;
    steps -= 2;
    if (lat > 66 || lat < -66)
        steps -= lat > 80 || lat < -80 ? 2 : 1;
    return steps < 1 ? 1 : steps > (int)GEO_STEPS ? GEO_STEPS : (unsigned)steps;
}

static struct area bounds_of(const struct geo_shape *s)
{
    double height = s->box ? s->height / 2 : s->radius, width = s->box ? s->width / 2 : s->radius;
    struct geo_point c = s->center;
    double lat = height / EARTH_RADIUS / RADIANS;
    double nearer_pole = c.lat < 0 ? c.lat - lat : c.lat + lat;
    double lon = width / EARTH_RADIUS / cos(nearer_pole * RADIANS) / RADIANS;
    return (struct area){c.lon - lon, c.lon + lon, c.lat - lat, c.lat + lat};
}

/* The neighbouring cell, around the map's edge if need be. */
static struct cell moved(struct cell c, int lon, int lat)
{
    uint32_t mask = (1u << c.steps) - 1;
    c.lon = (c.lon + (uint32_t)lon) & mask;
    c.lat = (c.lat + (uint32_t)lat) & mask;
    return c;
}

/* Do the neighbours end within the bounds? */
static bool too_small(struct cell c, const struct area *bounds)
{
    return area_of(moved(c, 0, 1)).lat_max < bounds->lat_max ||
           area_of(moved(c, 0, -1)).lat_min > bounds->lat_min ||
           area_of(moved(c, 1, 0)).lon_max < bounds->lon_max ||
           area_of(moved(c, -1, 0)).lon_min > bounds->lon_min;
}

static struct geo_range cell_range(struct cell c)
{
    unsigned shift = 2 * (GEO_STEPS - c.steps);
    uint64_t bits = cell_bits(c);
    return (struct geo_range){(double)(bits << shift), (double)((bits + 1) << shift)};
}

unsigned geo_ranges(const struct geo_shape *s, struct geo_range out[GEO_RANGES])
{
    static const int8_t order[GEO_RANGES][2] = {{0, 0}, {0, 1},  {0, -1}, {1, 0},  {-1, 0},
                                                {1, 1}, {-1, 1}, {1, -1}, {-1, -1}};
    struct area bounds = bounds_of(s);
    double radius =
        s->box ? sqrt((s->width / 2) * (s->width / 2) + (s->height / 2) * (s->height / 2)) : s->radius;
    struct cell c = cell_of(s->center, GEO_LAT_MAX, steps_for(radius, s->center.lat));
    if (c.steps > 1 && too_small(c, &bounds))
        c = cell_of(s->center, GEO_LAT_MAX, c.steps - 1);
    struct area a = area_of(c);
    unsigned n = 0;
    for (unsigned i = 0; i < GEO_RANGES; i++) {
        int lon = order[i][0], lat = order[i][1];
        bool needless = (lat < 0 && a.lat_min < bounds.lat_min) || (lat > 0 && a.lat_max > bounds.lat_max) ||
                        (lon < 0 && a.lon_min < bounds.lon_min) || (lon > 0 && a.lon_max > bounds.lon_max);
        struct geo_range r = cell_range(moved(c, lon, lat));
        /* Of few cells, the neighbours on both sides are the same one. */
        if ((c.steps >= 2 && needless) || (n > 1 && out[n - 1].from == r.from))
            continue;
        out[n++] = r;
    }
    return n;
}

bool geo_inside(const struct geo_shape *s, struct geo_point p, double *distance)
{
    if (s->box && (lat_distance(p.lat, s->center.lat) > s->height / 2 ||
                   geo_distance(p, (struct geo_point){s->center.lon, p.lat}) > s->width / 2))
        return false;
    *distance = geo_distance(s->center, p);
    return s->box || *distance <= s->radius;
}
