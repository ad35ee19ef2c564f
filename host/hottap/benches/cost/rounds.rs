//! Taking turns: every round measures all sides, one after the other, so that what disturbs one disturbs its neighbour.

/// Rounds before those that count: they fill caches, learn methods, and let buffers grow.
const WARM_UP: usize = 5;

/// What each side cost in each round, per call.
pub(crate) struct Rounds(Vec<Vec<f64>>);

/// Measures `rounds` times all sides. A side does its calls and returns what one of them cost.
pub(crate) fn interleave(rounds: usize, sides: &mut [&mut dyn FnMut() -> f64]) -> Rounds {
    let mut costs: Vec<Vec<f64>> = sides.iter().map(|_| Vec::with_capacity(rounds)).collect();
    for round in 0..WARM_UP + rounds {
        for (side, costs) in sides.iter_mut().zip(&mut costs) {
            let cost = side();
            if round >= WARM_UP {
                costs.push(cost);
            }
        }
    }
    Rounds(costs)
}

impl Rounds {
    /// What a side cost.
    pub(crate) fn cost(&self, side: usize) -> f64 {
        median(self.0[side].clone())
    }

    /// What side `a` cost beyond side `b`.
    pub(crate) fn beyond(&self, a: usize, b: usize) -> f64 {
        self.pairs(a, b, |a, b| a - b)
    }

    /// What side `a` cost as a share of what side `b` did.
    pub(crate) fn ratio(&self, a: usize, b: usize) -> f64 {
        self.pairs(a, b, |a, b| a / b)
    }

    /// What `a` cost beyond `bare`, as a share of what `b` did.
    pub(crate) fn added_ratio(&self, a: usize, b: usize, bare: usize) -> f64 {
        let of = |side: usize| &self.0[side];
        let rounds = of(a).iter().zip(of(b)).zip(of(bare));
        median(rounds.map(|((a, b), bare)| (a - bare) / (b - bare)).collect())
    }

    fn pairs(&self, a: usize, b: usize, value: impl Fn(f64, f64) -> f64) -> f64 {
        median(self.0[a].iter().zip(&self.0[b]).map(|(&a, &b)| value(a, b)).collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}
