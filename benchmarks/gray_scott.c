/* The Gray-Scott integrator as one would write it in C, with which benchmarks/gray_scott.py compares raypipe; compiled
   with gcc -O3 -march=native. Halo cells for the periodic boundary, two buffers, the 9-point Laplacian written out. */

#ifndef REAL
#define REAL double
#endif
#define SIZE 128

typedef REAL line[SIZE + 2];

static void wrap(line *x)
{
    for (int row = 1; row <= SIZE; row++) {
        x[row][0] = x[row][SIZE];
        x[row][SIZE + 1] = x[row][1];
    }
    for (int column = 0; column < SIZE + 2; column++) {
        x[0][column] = x[SIZE][column];
        x[SIZE + 1][column] = x[1][column];
    }
}

static void step(line *restrict u, line *restrict v, line *restrict u_next, line *restrict v_next, REAL f, REAL k,
                 REAL diffusion_u, REAL diffusion_v, REAL time_step)
{
    const REAL half = 0.5, quarter = 0.25, three = 3;
    wrap(u);
    wrap(v);
    for (int row = 1; row <= SIZE; row++) {
        for (int column = 1; column <= SIZE; column++) {
            REAL laplacian_u =
                half * (u[row - 1][column] + u[row + 1][column] + u[row][column - 1] + u[row][column + 1]) +
                quarter * (u[row - 1][column - 1] + u[row - 1][column + 1] + u[row + 1][column - 1] +
                           u[row + 1][column + 1]) -
                three * u[row][column];
            REAL laplacian_v =
                half * (v[row - 1][column] + v[row + 1][column] + v[row][column - 1] + v[row][column + 1]) +
                quarter * (v[row - 1][column - 1] + v[row - 1][column + 1] + v[row + 1][column - 1] +
                           v[row + 1][column + 1]) -
                three * v[row][column];
            REAL reaction = u[row][column] * v[row][column] * v[row][column];
            u_next[row][column] =
                u[row][column] + time_step * (diffusion_u * laplacian_u - reaction + f * (1 - u[row][column]));
            v_next[row][column] =
                v[row][column] + time_step * (diffusion_v * laplacian_v + reaction - (f + k) * v[row][column]);
        }
    }
}

/* Advance u and v, each SIZE x SIZE in row order, by an even number of steps. */
void integrate(REAL *u, REAL *v, long steps, REAL f, REAL k, REAL diffusion_u, REAL diffusion_v, REAL time_step)
{
    static line here_u[SIZE + 2], here_v[SIZE + 2], there_u[SIZE + 2], there_v[SIZE + 2];
    for (int row = 0; row < SIZE; row++)
        for (int column = 0; column < SIZE; column++) {
            here_u[row + 1][column + 1] = u[row * SIZE + column];
            here_v[row + 1][column + 1] = v[row * SIZE + column];
        }
    for (long done = 0; done < steps; done += 2) {
        step(here_u, here_v, there_u, there_v, f, k, diffusion_u, diffusion_v, time_step);
        step(there_u, there_v, here_u, here_v, f, k, diffusion_u, diffusion_v, time_step);
    }
    for (int row = 0; row < SIZE; row++)
        for (int column = 0; column < SIZE; column++) {
            u[row * SIZE + column] = here_u[row + 1][column + 1];
            v[row * SIZE + column] = here_v[row + 1][column + 1];
        }
}
