/**
 * Ordinary least squares of y on x, from running means and central moments (Welford's method): O(1) a point, nothing kept of the points themselves. Sums of raw
 * squares would lose every digit once the values are large beside their spread, which loads in µs soon are.
 */
export class LinearRegression {
  count = 0;
  #meanX = 0;
  #meanY = 0;
  /** Sum of (x − mean)². */
  #spreadX = 0;
  /** Sum of (x − mean of x)(y − mean of y). */
  #spreadXy = 0;

  add(x: number, y: number): void {
    this.count++;
    const fromOldMean = x - this.#meanX;
    this.#meanX += fromOldMean / this.count;
    this.#meanY += (y - this.#meanY) / this.count;
    this.#spreadX += fromOldMean * (x - this.#meanX);
    this.#spreadXy += fromOldMean * (y - this.#meanY);
  }

  /** y on the line at this x; null = there is no line, for want of two different x. */
  predict(x: number): number | null {
    if (this.#spreadX <= 0) return null;
    return this.#meanY + (this.#spreadXy / this.#spreadX) * (x - this.#meanX);
  }
}
