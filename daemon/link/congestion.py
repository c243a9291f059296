class CongestionController:
    def __init__(self, bps: int) -> None:
        self.target_bps = bps
        self.pacing_bps = 200_000_000
        self.in_flight_cap_bytes = 10_000_000
        self.loss_rate = 0.03
        self.mean_burst_packets = 5.0

    def on_results(self, results, now_ns, rtt_ns=None):
        pass

    def on_packet_sent(self, n, now_ns):
        pass
