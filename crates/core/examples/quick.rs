use ndarray::*;
use nonius_core::*;
use std::time::Instant;
fn run<F: Real>(n: usize) {
    let plan = RealFft2::<F>::new((n, n)).unwrap();
    let mut s = plan.scratch();
    let mut sp = plan.spectrum();
    let im = Array2::from_shape_fn((n, n), |(y, x)| F::of(((y * 31 + x * 17) % 97) as f64));
    let mut out = im.clone();
    let reps = (40_000_000 / (n * n)).clamp(3, 2000);
    let mut bf = f64::MAX;
    let mut bi = f64::MAX;
    for _ in 0..reps {
        let t = Instant::now();
        plan.forward(im.view(), &mut sp, &mut s).unwrap();
        bf = bf.min(t.elapsed().as_secs_f64());
        let t = Instant::now();
        plan.inverse(&mut sp, out.view_mut(), &mut s).unwrap();
        bi = bi.min(t.elapsed().as_secs_f64());
    }
    println!("{n} fwd {:.1} inv {:.1} us", bf * 1e6, bi * 1e6);
}
fn main() {
    for n in [64, 128, 256, 512, 1024, 2048] {
        run::<f32>(n);
    }
    println!("f64");
    for n in [64, 256, 512, 1024, 2048] {
        run::<f64>(n);
    }
}
