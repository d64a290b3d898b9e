"""Pure mathematics of diffusion: no network, no config, no training. Every function takes arrays and `denoise(x, logsnr) -> x0_hat`."""
