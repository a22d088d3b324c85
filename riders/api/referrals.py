"""`/api/v1/rider/referral…`: the rider's own code, whom it brought, who brought most (SPEC R9)."""

from typing import Any

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from foundation import clock
from riders import referrals
from riders.api.envelope import EmptyData, RiderView, envelope_schema, read_body, success_response
from riders.models import Referral


class CodeSerializer(serializers.Serializer):
    code = serializers.CharField(max_length=12)


REFERRALS = inline_serializer(
    "Referrals",
    {
        "code": serializers.CharField(),
        "bonusPaise": serializers.IntegerField(help_text="Minor units of `currency`, for each that is earned."),
        "currency": serializers.CharField(),
        "earned": serializers.IntegerField(),
        "referred": inline_serializer(
            "Referred",
            {
                "name": serializers.CharField(),
                "deliveries": serializers.IntegerField(),
                "deliveriesNeeded": serializers.IntegerField(),
                "earnedAt": serializers.CharField(allow_null=True),
                "joinedAt": serializers.CharField(),
            },
            many=True,
        ),
    },
)
TOP_REFERRERS = inline_serializer(
    "TopReferrer",
    {
        "rank": serializers.IntegerField(),
        "name": serializers.CharField(),
        "referred": serializers.IntegerField(),
        "earned": serializers.IntegerField(),
    },
    many=True,
)


def referral_body(referral: Referral) -> dict[str, Any]:
    return {
        "name": referral.referred.name,
        "deliveries": referral.deliveries,
        "deliveriesNeeded": referrals.DELIVERIES_TO_EARN,
        "earnedAt": clock.format_wire(referral.earned_at),
        "joinedAt": clock.format_wire(referral.created_at),
    }


class ReferralView(RiderView):
    @extend_schema(responses=envelope_schema("Referrals", REFERRALS), operation_id="rider_referrals", tags=["riders"])
    def get(self, request: Request) -> Response:
        """The rider's own code (made on first asking) and whom it brought."""
        code, brought = referrals.ensure_referral_code(self.rider.pk), referrals.list_referrals(self.rider.pk)
        data = {
            "code": code,
            "bonusPaise": referrals.BONUS_MINOR,
            "currency": referrals.BONUS_CURRENCY,
            "earned": sum(referral.earned_at is not None for referral in brought),
            "referred": [referral_body(referral) for referral in brought],
        }
        return success_response("Referrals retrieved successfully", data)

    @extend_schema(
        request=CodeSerializer,
        responses=envelope_schema("ReferralUsed", EmptyData()),
        operation_id="rider_referral_use",
        tags=["riders"],
    )
    def post(self, request: Request) -> Response:
        """Say at sign-up whose code brought you."""
        referrals.use_code(self.rider.pk, read_body(CodeSerializer, request.data)["code"])
        return success_response("Referral code applied successfully")


class TopReferrersView(RiderView):
    @extend_schema(
        responses=envelope_schema("TopReferrers", TOP_REFERRERS),
        operation_id="rider_referrals_top",
        tags=["riders"],
    )
    def get(self, request: Request) -> Response:
        """Who brought most riders that earned the bonus."""
        data = [
            {"rank": rank, "name": line.name, "referred": line.referred, "earned": line.earned}
            for rank, line in enumerate(referrals.top_referrers(), start=1)
        ]
        return success_response("Top referrers retrieved successfully", data)
